"""Fingerprints of tiles: vectors by which a slightly altered picture is known again."""

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

Tiles = NDArray[np.uint8]
Vectors = NDArray[np.float32]

_LUMA: Final = np.array([0.299, 0.587, 0.114], np.float32)
#: Frequencies in each direction.
_FREQUENCIES: Final = 8
#: Differences of colour count more than those of light, which a copy changes more easily.
_CHROMA: Final = 1.5
#: Pictures fainter than this are not blown up until their noise decides.
_FAINT: Final = 6000.0


def colour(tiles: Tiles) -> Vectors:
    """Low frequencies of light and of two differences of colour: float32 (n, 107).

    A discrete cosine transform; each coefficient times its frequency, as natural pictures have
    that much less of the higher ones; no mean light, and hardly the contrast.
    """
    described = [_colour(tiles[start : start + 256]) for start in range(0, len(tiles), 256)]
    return np.concatenate(described) if described else np.zeros((0, 107), np.float32)


def keys(vectors: Vectors, directions: Vectors, *, tables: int = 1) -> NDArray[np.int64]:
    """int64 (n, tables): the signs of each vector's projections, packed, a number for each table.

    `directions`: float32 (length, tables · bits). Near vectors share many keys (random hyperplanes:
    Charikar, "Similarity estimation techniques from rounding algorithms", 2002).
    """
    bits = directions.shape[1] // tables
    signs = (vectors @ directions > 0).reshape(len(vectors), tables, bits)
    packed: NDArray[np.int64] = signs @ (1 << np.arange(bits))
    return packed


def _colour(tiles: Tiles) -> Vectors:
    chosen, weights = _chosen()
    pixels = tiles.astype(np.float32)
    light = pixels @ _LUMA
    planes = np.stack([light, pixels[..., 2] - light, pixels[..., 0] - light], axis=1)
    down, across = map(_waves, tiles.shape[1:3])
    spectrum = down @ planes @ across.T  # (n, 3, 8, 8)
    vectors = spectrum.reshape(len(tiles), -1)[:, chosen] * weights
    energy = np.square(vectors).sum(axis=1, keepdims=True)
    found: Vectors = vectors / np.sqrt(energy + _FAINT**2)
    return found


@cache
def _waves(side: int) -> Vectors:
    """float32 (8, side): cosines."""
    places = np.arange(side)
    waves = np.stack(
        [np.cos(np.pi * (2 * places + 1) * u / (2 * side)) for u in range(_FREQUENCIES)]
    ) * np.sqrt(2 / side)
    return np.asarray(waves, np.float32)


@cache
def _chosen() -> tuple[NDArray[np.int64], Vectors]:
    """Which of the 3·8·8 coefficients count, and how much."""
    chosen, weights = [], []
    for plane in range(3):
        for u in range(_FREQUENCIES):
            for v in range(_FREQUENCIES - u):
                if plane or u + v:
                    chosen.append((plane * _FREQUENCIES + u) * _FREQUENCIES + v)
                    weights.append(max(0.7, u * u + v * v) ** 0.5 * (_CHROMA if plane else 1.0))
    return np.array(chosen), np.array(weights, np.float32)
