"""Where in a picture, and how large, the sides of a layout's tiles are likeliest to be.

At every scale the picture is made as small as the template, in which a side of a tile is a sum over
a line of brightness steps; the place is kept where all sides together are strongest, and least
changes on the paper between them.
"""

from collections.abc import Iterator
from math import sqrt
from typing import Final

import numpy as np
from PIL import Image

from models.recognition.edges import Steps
from models.recognition.strengths import strengths
from tilefleet.layout import Layout

#: Scales that are looked for, and the quotient of two that follow one another.
SCALES: Final = (0.5, 4.0)
_RATIO: Final = 1.02
#: A captcha is at least so wide, as a share of the picture's width.
_LEAST_SHARE: Final = 1 / 14
#: Pixels of a picture at any scale: in a larger one captchas are as much larger at least.
_MOST_PIXELS: Final = 3_300_000
#: Halves of a picture are halved before it is made as small as that or smaller.
_HALVED: Final = 4
#: Places at its own size that are told, and how far apart they are at least, pixels.
_PLACES: Final = 16
_NEAR: Final = 2
#: Width of the layout in the search, pixels.
_COARSE: Final = 147


def unscaled(grey: Image.Image, layout: Layout) -> Iterator[tuple[float, tuple[int, int]]]:
    """The likeliest places of a captcha at its own size, pixel by pixel: how strong tiles' sides
    are, left and top."""
    found: list[tuple[float, tuple[int, int]]] = []
    for first, strong in strengths(np.asarray(grey), layout, 1.0):
        found += ((value, (x, first + y)) for value, (x, y) in _strongest(strong, _PLACES))
    # Where rows were done together before, and are done apart, both may tell of one place.
    places: list[tuple[int, int]] = []
    for value, (x, y) in sorted(found, key=lambda each: -each[0]):
        if all(max(abs(x - left), abs(y - top)) > _NEAR for left, top in places):
            places.append((x, y))
            yield value, (x, y)
            if len(places) == _PLACES:
                break


def search(grey: Image.Image, layout: Layout) -> Iterator[tuple[float, tuple[float, float, float]]]:
    """For each scale, how strong the tiles' sides are at the best place, and that place."""
    small = _COARSE / layout.size[0]
    width, height = grey.size
    least = max(
        SCALES[0],
        _LEAST_SHARE * width / layout.size[0],
        small * sqrt(width * height / _MOST_PIXELS),
    )
    most = min(SCALES[1], width / layout.size[0], height / layout.size[1]) * _RATIO
    half = grey.reduce(2)
    scale = least / _RATIO
    while scale <= most:
        back = scale / small
        by = 2 if back >= _HALVED else 1
        fitted = (half if by == 2 else grey).resize(
            (round(width / back), round(height / back)),
            Image.Resampling.BOX if scale > small else Image.Resampling.BILINEAR,
            box=(0, 0, width / by, height / by),
        )
        best, at = -np.inf, (0, 0)
        for first, strong in strengths(np.asarray(fitted), layout, small):
            y, x = divmod(int(strong.argmax()), strong.shape[1])
            if strong[y, x] > best:
                best, at = float(strong[y, x]), (x, first + y)
        if best > -np.inf:
            yield best, (at[0] * back, at[1] * back, scale)
        scale *= _RATIO


def _strongest(strong: Steps, count: int) -> Iterator[tuple[float, tuple[int, int]]]:
    """So many places that are not near a stronger one, which are struck out; left and top."""
    of_row = strong.max(axis=1)
    for _ in range(count):
        y = int(of_row.argmax())
        x = int(strong[y].argmax())
        yield float(strong[y, x]), (x, y)
        rows = slice(max(0, y - _NEAR), y + _NEAR + 1)
        strong[rows, max(0, x - _NEAR) : x + _NEAR + 1] = -np.inf
        of_row[rows] = strong[rows].max(axis=1)
