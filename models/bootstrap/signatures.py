"""Signatures: vectors by which a slightly altered picture is known again.

Five to choose from; two tiles are taken for the same picture if half the squared distance of their
signatures is under the signature's threshold (for a hash of bits, that is its share of other bits
twice over). ``tilefleet models dedupe --compare`` measures them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.errors import TilefleetError
from models.geometry import TILE

Tiles = NDArray[np.uint8]
Vectors = NDArray[np.float32]

_LUMA: Final = np.array([0.299, 0.587, 0.114], np.float32)
#: Frequencies in each direction.
_FREQUENCIES: Final = 8
#: Differences of colour count more than those of light, which a copy changes more easily.
_CHROMA: Final = 1.5
#: Pictures fainter than this are not blown up until their noise decides.
_FAINT: Final = 6000.0


@dataclass(frozen=True, slots=True)
class Signature:
    """A way to describe tiles."""

    name: str
    #: uint8 (n, 67, 67, 3) to float32 (n, d), at most about 1 long.
    describe: Callable[[Tiles], Vectors]
    #: Half the squared distance up to which two tiles are the same picture: that of a precision
    #: of 0.999 in `compare`'s measurement.
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


def colour(tiles: Tiles) -> Vectors:
    """Low frequencies of light and of two differences of colour: float32 (n, 107).

    A discrete cosine transform; each coefficient times its frequency, as natural pictures have
    that much less of the higher ones; no mean light, and hardly the contrast.
    """
    described = [_colour(tiles[start : start + 256]) for start in range(0, len(tiles), 256)]
    return np.concatenate(described) if described else np.zeros((0, 107), np.float32)


def _colour(tiles: Tiles) -> Vectors:
    waves, chosen, weights = _waves()
    pixels = tiles.astype(np.float32)
    light = pixels @ _LUMA
    planes = np.stack([light, pixels[..., 2] - light, pixels[..., 0] - light], axis=1)
    spectrum = waves @ planes @ waves.T  # (n, 3, 8, 8)
    vectors = spectrum.reshape(len(tiles), -1)[:, chosen] * weights
    energy = np.square(vectors).sum(axis=1, keepdims=True)
    found: Vectors = vectors / np.sqrt(energy + _FAINT**2)
    return found


@cache
def _waves() -> tuple[Vectors, NDArray[np.int64], Vectors]:
    """float32 (8, 67) cosines; which of the 3·8·8 coefficients count, and how much."""
    places = np.arange(TILE)
    waves = np.stack(
        [np.cos(np.pi * (2 * places + 1) * u / (2 * TILE)) for u in range(_FREQUENCIES)]
    ) * np.sqrt(2 / TILE)
    chosen, weights = [], []
    for plane in range(3):
        for u in range(_FREQUENCIES):
            for v in range(_FREQUENCIES - u):
                if plane or u + v:
                    chosen.append((plane * _FREQUENCIES + u) * _FREQUENCIES + v)
                    weights.append(max(0.7, u * u + v * v) ** 0.5 * (_CHROMA if plane else 1.0))
    return waves.astype(np.float32), np.array(chosen), np.array(weights, np.float32)


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
    from models.engines import choose_keras_backend

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


THRESHOLDS: Final[Mapping[str, float]] = {
    "average": 0.02,
    "difference": 0.17,
    "perceptual": 0.2,
    "wavelet": 0.02,
    "colour": 0.07,
    "learned": 0.02,
}
NAMES: Final = tuple(THRESHOLDS)
