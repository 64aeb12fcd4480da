"""Pixels to the parts that the networks read: one header and the tiles."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.recognition.image import Pixels, read
from models.recognition.place import Place
from tilefleet.layout import Layout


@dataclass(frozen=True, slots=True)
class Crops:
    """The parts of one captcha, RGB."""

    #: uint8 (h, w, 3): the strip that holds the words.
    header: NDArray[np.uint8]
    #: uint8 (tiles, h, w, 3): the tiles, row by row.
    tiles: NDArray[np.uint8]
    #: Where in its picture the captcha was found; None if it is the picture.
    place: Place | None = None

    @classmethod
    def from_pixels(cls, pixels: Pixels, layout: Layout, place: Place | None = None) -> "Crops":
        """Cut a captcha of that layout, uint8 (height, width, 3)."""
        return cls(cut_header(pixels, layout), cut_tiles(pixels, layout), place)

    @classmethod
    def from_bytes(
        cls, data: object, layout: Layout, *, max_bytes: int, quickly: bool = False
    ) -> "Crops":
        """Decode, find and cut; raises as `models.recognition.image.read`."""
        pixels, place = read(data, layout, max_bytes=max_bytes, quickly=quickly)
        return cls.from_pixels(pixels, layout, place)


def padded(pictures: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """uint8 (n, …) → (size, …): black pictures behind, for what reads so many a call."""
    if len(pictures) == size:
        return pictures
    filling = np.zeros((size - len(pictures), *pictures.shape[1:]), np.uint8)
    return np.concatenate([pictures, filling])


def cut_header(pixels: Pixels, layout: Layout) -> NDArray[np.uint8]:
    """The strip that the words network takes."""
    x, y, width, height = layout.header
    return np.ascontiguousarray(pixels[y : y + height, x : x + width])


def cut_tiles(pixels: Pixels, layout: Layout) -> NDArray[np.uint8]:
    """uint8 (tiles, h, w, 3): the tiles, row by row."""
    width, height = layout.tile
    return np.stack([pixels[y : y + height, x : x + width] for x, y in layout.corners])
