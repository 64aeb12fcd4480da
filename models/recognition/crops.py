"""Pixels to the parts that the networks read: one header and eight tiles."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.recognition.image import Pixels, decode
from tilefleet import geometry


@dataclass(frozen=True, slots=True)
class Crops:
    """The parts of one captcha, RGB."""

    #: uint8 (28, 176, 3): the strip that holds the words.
    header: NDArray[np.uint8]
    #: uint8 (8, 67, 67, 3): the tiles, row by row.
    tiles: NDArray[np.uint8]

    @classmethod
    def from_pixels(cls, pixels: Pixels) -> "Crops":
        """Cut uint8 (190, 293, 3)."""
        return cls(header=cut_header(pixels), tiles=cut_tiles(pixels))

    @classmethod
    def from_bytes(cls, data: object, *, max_bytes: int) -> "Crops":
        """Decode and cut; raises as `models.recognition.image.decode`."""
        return cls.from_pixels(decode(data, max_bytes=max_bytes))


def padded(pictures: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """uint8 (n, …) → (size, …): black pictures behind, for what reads so many a call."""
    if len(pictures) == size:
        return pictures
    filling = np.zeros((size - len(pictures), *pictures.shape[1:]), np.uint8)
    return np.concatenate([pictures, filling])


def cut_header(pixels: Pixels) -> NDArray[np.uint8]:
    """uint8 (190, 293, 3) → (28, 176, 3): the strip that the words network takes."""
    bottom = geometry.HEADER_Y + geometry.HEADER_HEIGHT
    right = geometry.HEADER_X + geometry.HEADER_WIDTH
    return np.ascontiguousarray(pixels[geometry.HEADER_Y : bottom, geometry.HEADER_X : right])


def cut_tiles(pixels: Pixels) -> NDArray[np.uint8]:
    """uint8 (190, 293, 3) → (8, 67, 67, 3): the tiles, row by row."""
    side = geometry.TILE
    return np.stack(
        [pixels[y : y + side, x : x + side] for y in geometry.TILE_YS for x in geometry.TILE_XS]
    )
