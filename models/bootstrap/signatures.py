"""Signatures: vectors by which a slightly altered picture is known again.

Six to choose from; two tiles are taken for the same picture if half the squared distance of their
signatures is under the signature's threshold (for a hash of bits, that is its share of other bits
twice over). ``tilefleet models dedupe --compare`` measures them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from PIL import Image

from models.recognition.fingerprint import Tiles, Vectors, colour
from tilefleet.errors import TilefleetError

#: Signature → half the squared distance up to which two tiles are the same picture: that of a
#: precision of 0.999 in ``tilefleet models dedupe --compare``.
THRESHOLDS: Final[Mapping[str, float]] = {
    "average": 0.02,
    "difference": 0.17,
    "perceptual": 0.2,
    "wavelet": 0.02,
    "colour": 0.07,
    "learned": 0.02,
}
NAMES: Final = tuple(THRESHOLDS)


@dataclass(frozen=True, slots=True)
class Signature:
    """A way to describe tiles."""

    name: str
    #: uint8 (n, h, w, 3) to float32 (n, d), at most about 1 long.
    describe: Callable[[Tiles], Vectors]
    #: One of `THRESHOLDS`.
    threshold: float

    def __call__(self, tiles: Tiles) -> Vectors:
        return self.describe(tiles)


def find(name: str) -> Signature:
    """A signature by its name; raises TilefleetError for an unknown one."""
    if name not in NAMES:
        raise TilefleetError(f"no signature called {name!r}; there are: {', '.join(NAMES)}")
    if name == "learned":
        return Signature("learned", learned("builtin"), THRESHOLDS[name])
    describe = colour if name == "colour" else _bits(name)
    return Signature(name, describe, THRESHOLDS[name])


def _bits(name: str) -> Callable[[Tiles], Vectors]:
    """One of ImageHash's, its 64 bits as a vector of length 1."""
    import imagehash

    hash_of: Callable[[Image.Image], Any] = {
        "average": imagehash.average_hash,
        "difference": imagehash.dhash,
        "perceptual": imagehash.phash,
        "wavelet": imagehash.whash,
    }[name]

    def describe(tiles: Tiles) -> Vectors:
        bits = np.stack([hash_of(Image.fromarray(tile)).hash.ravel() for tile in tiles])
        return np.where(bits, 0.125, -0.125).astype(np.float32)

    return describe


def learned(name: str) -> Callable[[Tiles], Vectors]:
    """What the last layer but one of a stored model's tiles network sees, of length 1.

    That network knows labels: for comparison, not for bootstrapping.
    """
    from models.runtimes.installed import choose_keras_backend

    choose_keras_backend()
    import keras

    from models import store

    network = store.load_network(store.find(name), "tiles")
    inner = keras.Model(network.inputs, network.layers[-1].input)

    def describe(tiles: Tiles) -> Vectors:
        vectors = np.concatenate(
            [
                np.asarray(inner([tiles[start : start + 256]], training=False))
                for start in range(0, len(tiles), 256)
            ]
        )
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(length, 1e-6), np.float32)

    return describe
