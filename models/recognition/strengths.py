"""How strong the sides of a layout's tiles are at each place of a picture.

Steps of brightness and their sums are whole numbers of the least size that holds them, which is a
quarter of floating-point's memory and time; large pictures are done some rows at a time.

::

    picture ─→ steps to the right, and down ─→ sums along the tiles' sides ─┐
                                          └──→ sums along the paper ────────┴─→ strengths
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.recognition.edges import Spans, Steps, spans_of
from tilefleet.layout import Layout

#: A step of brightness that counts in full, of 255.
_STEP: Final = 40
#: Pixels that are looked at together.
_TOGETHER: Final = 1 << 21

Pixels = NDArray[np.uint8]
_Whole = NDArray[np.unsignedinteger[Any]]


@dataclass(frozen=True, slots=True)
class _Lines:
    """Lines down from a corner: in these columns, from these rows on, so many pixels long."""

    columns: Sequence[int]
    rows: Sequence[int]
    length: int

    def strengths(self, steps: Pixels, room: tuple[int, int]) -> Steps:
        """The mean of the steps on all of them, 0 to 1, for each place of the corner: float32 of
        the shape `room`."""
        height, width = room
        most = self.length * _STEP * len(self.columns) * len(self.rows)
        across = np.zeros_like(steps[:, :width], np.min_scalar_type(most))
        for x in self.columns:
            across += steps[:, x : x + width]
        sums = _sums(across)
        # What goes over the end of the numbers comes back in the differences.
        total = np.zeros_like(sums[:height])
        for y in self.rows:
            total += sums[y + self.length : y + self.length + height]
            total -= sums[y : y + height]
        return np.asarray(total * np.float32(1 / most), np.float32)


class _Corner:
    """Of a layout, a pixel of which is `small` of the picture's."""

    def __init__(self, layout: Layout, small: float) -> None:
        self.size = width, height = round(layout.size[0] * small), round(layout.size[1] * small)
        across, down = spans_of(layout)
        # An edge may lie between two places.
        self.between = small < 1
        half = 0.5 if self.between else 0.0

        def sides(columns: Spans, rows: Spans, width: int, height: int) -> _Lines:
            length = round((rows[0][1] - rows[0][0]) * small)
            edges = [end * small - half for span in columns for end in span]
            tops = [top * small for top, _ in rows]
            return _Lines(_within(edges, width - 1), _within(tops, height - length), length)

        def paper(columns: Spans, rows: Spans, width: int, height: int) -> _Lines:
            length = round((rows[-1][1] - rows[0][0]) * small)
            gaps = [(a + b) / 2 * small - 0.5 for (_, a), (b, _) in pairwise(columns) if b > a]
            tops = [rows[0][0] * small]
            return _Lines(_within(gaps, width - 1), _within(tops, height - length), length)

        margins = ((0, 0), *across, (layout.size[0], layout.size[0]))
        self.left_right = sides(across, down, width, height)
        self.top_bottom = sides(down, across, height, width)
        self.beside = paper(margins, down, width, height)
        self.over = paper(down, across, height, width)

    def strengths(self, picture: Pixels, before: int, rows: int) -> Steps:
        """Of the first `rows` places behind `before` rows of the picture."""
        room = rows, picture.shape[1] - self.size[0] + 1
        steps = [_steps(picture)[before:], _steps(picture.T).T[before:]]
        near = steps
        if self.between:
            near = [_near(steps[0]), _near(steps[1].T).T]
        strong = self.left_right.strengths(near[0], room)
        strong += self.top_bottom.strengths(near[1].T, room[::-1]).T
        # Along the paper between tiles and beside them nothing changes.
        for lines, along, turned in (
            (self.beside, steps[1], False),
            (self.over, steps[0], True),
        ):
            if not lines.columns:
                continue
            strong -= (
                lines.strengths(along.T, room[::-1]).T if turned else lines.strengths(along, room)
            )
        return strong


def strengths(picture: Pixels, layout: Layout, small: float) -> Iterator[tuple[int, Steps]]:
    """For each place of the layout's corner, some rows of places at a time: the first one's number
    and float32 (rows, columns). A pixel of the picture is `1 / small` of the layout's.

    What a row of places needs of the picture is a layout's height of it, so that as many rows are
    done together at least.
    """
    corner = _Corner(layout, small)
    height, width = picture.shape
    columns, rows = width - corner.size[0] + 1, height - corner.size[1] + 1
    if min(columns, rows) < 1:
        return
    together = max(corner.size[1], _TOGETHER // width - corner.size[1])
    for top in range(0, rows, together):
        some = min(together, rows - top)
        before = min(top, 1)
        yield (
            top,
            corner.strengths(picture[top - before : top + some + corner.size[1]], before, some),
        )


def _within(places: Sequence[float], most: int) -> list[int]:
    return [min(max(0, round(place)), most) for place in places]


def _steps(picture: Pixels) -> Pixels:
    """How much brightness changes from the pixel on the left."""
    steps = np.zeros_like(picture)
    left, right, found = picture[:, :-1], picture[:, 1:], steps[:, 1:]
    np.maximum(left, right, out=found)
    found -= np.minimum(left, right)
    np.minimum(found, _STEP, out=found)
    return steps


def _near(steps: Pixels) -> Pixels:
    """Of each and the next one on the right the stronger."""
    near = steps.copy(order="K")
    np.maximum(steps[:, :-1], steps[:, 1:], out=near[:, :-1])
    return near


def _sums(values: _Whole) -> _Whole:
    """Of the rows above each, and of all."""
    sums = np.empty_like(values, shape=(values.shape[0] + 1, values.shape[1]))
    sums[0] = 0
    if values.strides[0] < values.strides[1]:
        np.add.accumulate(values, axis=0, dtype=values.dtype, out=sums[1:])
    else:
        # numpy would go down column by column.
        for before, value, after in zip(sums, values, sums[1:], strict=False):
            np.add(before, value, out=after)
    return sums
