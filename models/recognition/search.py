"""Where in a picture, and how large, the sides of a layout's tiles are likeliest to be.

At every scale the picture is made as small as the template, in which a side of a tile is a sum over
a line of brightness steps; the place is kept where all sides together are strongest, and least
changes on the paper between them.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import numpy as np
from PIL import Image

from models.recognition.edges import Spans, Steps, brightness_steps, lines, spans_of
from tilefleet.layout import Layout

#: Scales that are looked for, and the quotient of two that follow one another.
SCALES: Final = (0.5, 4.0)
_RATIO: Final = 1.02
#: A captcha is at least so wide, as a share of the picture's width.
_LEAST_SHARE: Final = 1 / 14
#: Places at its own size that are told, and how far apart they are at least, pixels.
_PLACES: Final = 16
_NEAR: Final = 2
#: Width of the layout in the search, pixels.
_COARSE: Final = 147


def unscaled(grey: Image.Image, layout: Layout) -> Iterator[tuple[float, tuple[int, int]]]:
    """The likeliest places of a captcha at its own size, pixel by pixel: how strong tiles' sides
    are, left and top."""
    strengths = _strengths(np.asarray(grey, np.float32), layout, 1.0)
    for _ in range(_PLACES if strengths.size else 0):
        top, left = divmod(int(strengths.argmax()), strengths.shape[1])
        yield float(strengths[top, left]), (left, top)
        strengths[
            max(0, top - _NEAR) : top + _NEAR + 1, max(0, left - _NEAR) : left + _NEAR + 1
        ] = -np.inf


def search(grey: Image.Image, layout: Layout) -> Iterator[tuple[float, tuple[float, float, float]]]:
    """For each scale, how strong the tiles' sides are at the best place, and that place."""
    small = _COARSE / layout.size[0]
    least = max(SCALES[0], _LEAST_SHARE * grey.width / layout.size[0]) / _RATIO
    most = min(SCALES[1], grey.width / layout.size[0], grey.height / layout.size[1]) * _RATIO
    scale = least
    while scale <= most:
        size = (round(grey.width * small / scale), round(grey.height * small / scale))
        fitted = grey.resize(
            size, Image.Resampling.BOX if scale > small else Image.Resampling.BILINEAR
        )
        strengths = _strengths(np.asarray(fitted, np.float32), layout, small)
        if strengths.size:
            at = int(strengths.argmax())
            y, x = divmod(at, strengths.shape[1])
            back = scale / small
            yield float(strengths.flat[at]), (x * back, y * back, scale)
        scale *= _RATIO


def _strengths(picture: Steps, layout: Layout, small: float) -> Steps:
    """How strong the sides of all tiles are, for each place of the layout's corner; a pixel of the
    picture is `1 / small` of the layout's."""
    room = (
        picture.shape[0] - round(layout.size[1] * small) + 1,
        picture.shape[1] - round(layout.size[0] * small) + 1,
    )
    if min(room) < 1:
        return np.zeros((0, 0), np.float32)
    across, down = spans_of(layout)
    steps = brightness_steps(picture), brightness_steps(picture.T)
    sides = _along(steps[0], across, down, room, small)
    sides += _along(steps[1], down, across, room[::-1], small).T
    # Along the paper between tiles and beside them nothing changes.
    margins = ((0, 0), *across, (layout.size[0], layout.size[0]))
    sides -= _between(steps[1].T, margins, down, room, small)
    sides -= _between(steps[0].T, down, across, room[::-1], small).T
    return sides


def _along(steps: Steps, across: Spans, down: Spans, room: tuple[int, int], small: float) -> Steps:
    """How much of the tiles' left and right sides is steps, for each place."""
    near, half = steps.copy(), 0.0
    if small < 1:
        # An edge may lie between two places.
        near[:, :-1] = np.maximum(steps[:, :-1], steps[:, 1:])
        half = 0.5
    means = lines(near, round((down[0][1] - down[0][0]) * small))
    total = np.zeros(room, np.float32)
    for top, _ in down:
        for edge in (end for span in across for end in span):
            total += _at(means, top * small, edge * small - half, room)
    total /= len(down) * 2 * len(across)
    return total


def _between(
    steps: Steps, across: Spans, down: Spans, room: tuple[int, int], small: float
) -> Steps:
    """How much changes along the paper between the columns, for each place."""
    means = lines(steps, round((down[-1][1] - down[0][0]) * small))
    total = np.zeros(room, np.float32)
    gaps = [(before + after) / 2 for (_, before), (after, _) in pairwise(across) if after > before]
    for gap in gaps:
        total += _at(means, down[0][0] * small, gap * small - 0.5, room)
    total /= max(1, len(gaps))
    return total


def _at(means: Steps, y: float, x: float, room: tuple[int, int]) -> Steps:
    """The lines that are so far from the layout's corner, for each place of the corner."""
    top = min(max(0, round(y)), means.shape[0] - room[0])
    left = min(max(0, round(x)), means.shape[1] - room[1])
    return means[top : top + room[0], left : left + room[1]]
