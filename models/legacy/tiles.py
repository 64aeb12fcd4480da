"""Legacy tiles networks behind our contract: uint8 RGB (batch, 67, 67, 3) to (batch, 80)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import keras
import numpy as np

from models.legacy import layers
from models.legacy.network import Family, LegacyFile
from tilefleet.kind import BUILTIN


@dataclass(frozen=True, slots=True)
class Pixels:
    """What a family's networks are given: the middle of a tile, (x - mean) / deviation."""

    side: int
    #: Red, green, blue.
    means: tuple[float, float, float]
    deviations: tuple[float, float, float]


#: The means of the first are ImageNet's, those of the second of its own tiles.
PIXELS: Final[Mapping[Family, Pixels]] = {
    "easy12306": Pixels(BUILTIN.layout.tile[0], (123.68, 116.779, 103.939), (1.0, 1.0, 1.0)),
    "cracking-12306": Pixels(56, (175.110, 163.988, 154.647), (78.506, 82.464, 88.222)),
}


def build(networks: Sequence[LegacyFile]) -> keras.Model:
    """One network, or the mean of several: of each family's answers, then of the families."""
    pixels = keras.Input((*BUILTIN.layout.tile_shape, 3), dtype="uint8", name="tiles")
    several = len(networks) > 1
    prefixes = [f"n{index}_" if several else "" for index in range(len(networks))]
    means = []
    for family in dict.fromkeys(network.family for network in networks):
        prepared = _prepare(pixels, family)
        answers = [
            layers.apply(_for_rgb(in_our_order(network)), prepared, prefix=prefix)
            for network, prefix in zip(networks, prefixes, strict=True)
            if network.family == family
        ]
        means.append(_mean(answers, f"mean_{family}"))
    return keras.Model(pixels, _mean(means, "mean_families"), name="legacy_tiles")


def in_our_order(network: LegacyFile) -> LegacyFile:
    """With the classes in the order of BUILTIN.labels: Cracking-12306's are in that of Unicode."""
    if network.family != "cracking-12306":
        return network
    dense = network.layers[-1]
    theirs = sorted(BUILTIN.labels)
    columns = [theirs.index(label) for label in BUILTIN.labels]
    weights = {"kernel": np.ascontiguousarray(dense.weights["kernel"][:, columns])}
    return replace(network, layers=(*network.layers[:-1], replace(dense, weights=weights)))


def _prepare(pixels: Any, family: Family) -> Any:
    chosen = PIXELS[family]
    if margin := BUILTIN.layout.tile[0] - chosen.side:
        before = (margin // 2, margin - margin // 2)
        pixels = keras.layers.Cropping2D((before, before), name=f"middle_{family}")(pixels)
    pairs = list(zip(chosen.means, chosen.deviations, strict=True))
    return keras.layers.Rescaling(
        [1.0 / deviation for _, deviation in pairs],
        offset=[-mean / deviation for mean, deviation in pairs],
        name=f"centre_{family}",
    )(pixels)


def _mean(answers: list[Any], name: str) -> Any:
    return keras.layers.Average(name=name)(answers) if len(answers) > 1 else answers[0]


def _for_rgb(network: LegacyFile) -> LegacyFile:
    """It was made for BGR: the channels of the first kernel are turned round, not the picture's."""
    turned = list(network.layers)
    place, first = next(
        (place, layer) for place, layer in enumerate(turned) if "kernel" in layer.weights
    )
    kernel = np.ascontiguousarray(first.weights["kernel"][:, :, ::-1])
    turned[place] = replace(first, weights={**first.weights, "kernel": kernel})
    return replace(network, layers=tuple(turned))
