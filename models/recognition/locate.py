"""Where a captcha is in a picture that is not one: scaled, with a border, on a page.

The layout is looked for by the edges of its tiles. At every scale the picture is made as small as
the template, in which a tile's side is a sum over a line of brightness steps, and the place where
all sides together are strongest is kept; then the edges are found to a fraction of a pixel, down
and across on their own, and it is measured how many of the tiles' sides are really there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from models.recognition.place import Place
from tilefleet.answer import Grid
from tilefleet.layout import Layout

Steps = NDArray[np.float32]

#: Scales that are looked for, and the quotient of two that follow one another.
SCALES: Final = (0.5, 4.0)
_RATIO: Final = 1.02
#: A captcha is at least so wide, as a share of the picture's width.
_LEAST_SHARE: Final = 1 / 14
#: Width of the layout in the search, pixels.
_COARSE: Final = 147
#: A step of brightness that counts in full, of 255.
_STEP: Final = 40.0
#: A side of a tile is there if so much of it is a step; and the share of sides that must be there.
_SIDE: Final = 0.3
LEAST_SIDES: Final = 0.15
#: A captcha as the site drew it shows so many.
_CLEAR: Final = 0.5
#: A picture of a captcha's shape is mostly one: elsewhere so many more must be seen.
_WHOLE: Final = 0.35
#: How sure it is at most that what is read in a captcha that was found is right.
_CERTAIN: Final = 0.95


@dataclass(frozen=True, slots=True)
class Sighting:
    """The best place in a picture, whether good enough or not."""

    #: Left and top in the picture, and how many of its pixels one of the layout's is, both ways.
    left: float
    top: float
    across: float
    down: float
    #: The share of the tiles' sides that are there.
    sides: float

    @property
    def found(self) -> bool:
        return self.sides >= LEAST_SIDES

    def box(self, layout: Layout) -> tuple[float, float, float, float]:
        """Left, top, right and bottom in the picture."""
        width, height = layout.size
        return (
            self.left,
            self.top,
            self.left + self.across * width,
            self.top + self.down * height,
        )

    def place(self, layout: Layout) -> Place:
        """The same for an answer, in whole pixels of the picture."""

        def x(at: float) -> int:
            return round(self.left + self.across * at)

        def y(at: float) -> int:
            return round(self.top + self.down * at)

        width, height = layout.tile
        grid = Grid(
            tuple(map(x, layout.lefts)),
            tuple(map(y, layout.tops)),
            (round(self.across * width), round(self.down * height)),
        )
        points = tuple((x(at), y(down)) for at, down in layout.points)
        certainty = _CERTAIN * min(1.0, self.sides / _CLEAR)
        return Place(points, grid, round(certainty, 3))


def look(picture: Image.Image, layout: Layout) -> Sighting | None:
    """The likeliest place of a captcha in an RGB picture; None where there can be none."""
    grey = picture.convert("L")
    best: Sighting | None = None
    most = 0.0
    for likely, (left, top, scale) in _candidates(grey, layout):
        seen = _refined(grey, layout, left, top, scale)
        if best is None or seen.sides + likely > most:
            best, most = seen, seen.sides + likely
        if most > _CLEAR:
            break
    return best


def cut(picture: Image.Image, layout: Layout, seen: Sighting) -> NDArray[np.uint8]:
    """The captcha as its layout has it: uint8 (height, width, 3)."""
    left, top, right, bottom = seen.box(layout)
    if (seen.across, seen.down) == (1.0, 1.0):
        return np.asarray(picture.crop((int(left), int(top), int(right), int(bottom))))
    # What lies outside is white, as paper.
    margin = int(max(0.0, -left, -top, right - picture.width, bottom - picture.height)) + 1
    if margin > 1 or min(left, top) < 0 or right > picture.width or bottom > picture.height:
        page = Image.new("RGB", (picture.width + 2 * margin, picture.height + 2 * margin), "white")
        page.paste(picture, (margin, margin))
        picture = page
        left, top, right, bottom = (at + margin for at in (left, top, right, bottom))
    box = (left, top, right, bottom)
    page = picture.resize(layout.size, Image.Resampling.BICUBIC, box=box)
    if (missing := 1 - min(seen.across, seen.down)) > _SOFT:
        # What was made smaller has lost its sharpness, which words are read by more than tiles.
        x, y, width, height = layout.header
        words = page.crop((x, y, x + width, y + height)).filter(_sharpened(_WORDS * missing))
        page = page.filter(_sharpened(_TILES * missing))
        page.paste(words, (x, y))
    return np.asarray(page)


#: By how much, in percent, the words and tiles of a captcha are sharpened that is smaller by as
#: much as it is, and how little smaller it is for that to be left.
_WORDS: Final = 480
_TILES: Final = 360
_SOFT: Final = 0.05


def _sharpened(percent: float) -> ImageFilter.UnsharpMask:
    return ImageFilter.UnsharpMask(radius=1, percent=round(percent), threshold=0)


def _candidates(
    grey: Image.Image, layout: Layout
) -> Iterator[tuple[float, tuple[float, float, float]]]:
    """Left, top and scale of likely places, and how many more sides others must have: all of the
    picture, if it has the layout's shape, then what is found at each scale."""
    width, height = layout.size
    whole = grey.width / width
    if abs(whole / (grey.height / height) - 1) < 0.02:
        yield _WHOLE, (0.0, 0.0, whole)
    found = sorted(_search(grey, layout), reverse=True)
    yield from ((0.0, place) for _, place in found[:4])


def _search(
    grey: Image.Image, layout: Layout
) -> Iterator[tuple[float, tuple[float, float, float]]]:
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
    across, down = _spans(layout)
    steps = _steps(picture), _steps(picture.T)
    sides = _along(steps[0], across, down, room, small)
    sides += _along(steps[1], down, across, room[::-1], small).T
    # Along the paper between tiles nothing changes.
    sides -= _between(steps[1].T, across, down, room, small)
    sides -= _between(steps[0].T, down, across, room[::-1], small).T
    return sides


#: Where tiles begin and end along one side of the picture.
Spans = Sequence[tuple[int, int]]


def _spans(layout: Layout) -> tuple[Spans, Spans]:
    """Of the columns and of the rows, as they are to be seen."""
    (width, height), (right, down) = layout.tile, layout.edges
    return (
        [(left + right, left + right + width) for left in layout.lefts],
        [(top + down, top + down + height) for top in layout.tops],
    )


def _along(steps: Steps, across: Spans, down: Spans, room: tuple[int, int], small: float) -> Steps:
    """How much of the tiles' left and right sides is steps, for each place."""
    # An edge may lie between two places.
    near = steps.copy()
    near[:, :-1] = np.maximum(steps[:, :-1], steps[:, 1:])
    lines = _lines(near, round((down[0][1] - down[0][0]) * small))
    total = np.zeros(room, np.float32)
    for top, _ in down:
        for edge in (end for span in across for end in span):
            total += _at(lines, top * small, edge * small - 0.5, room)
    total /= len(down) * 2 * len(across)
    return total


def _between(
    steps: Steps, across: Spans, down: Spans, room: tuple[int, int], small: float
) -> Steps:
    """How much changes along the paper between the columns, for each place."""
    lines = _lines(steps, round((down[-1][1] - down[0][0]) * small))
    total = np.zeros(room, np.float32)
    gaps = [(before + after) / 2 for (_, before), (after, _) in pairwise(across) if after > before]
    for gap in gaps:
        total += _at(lines, down[0][0] * small, gap * small - 0.5, room)
    total /= max(1, len(gaps))
    return total


def _at(lines: Steps, y: float, x: float, room: tuple[int, int]) -> Steps:
    """The lines that are so far from the layout's corner, for each place of the corner."""
    top = min(max(0, round(y)), lines.shape[0] - room[0])
    left = min(max(0, round(x)), lines.shape[1] - room[1])
    return lines[top : top + room[0], left : left + room[1]]


def _steps(picture: Steps) -> Steps:
    """How much brightness changes from the pixel on the left, 0 to 1."""
    steps = np.zeros_like(picture)
    np.subtract(picture[:, 1:], picture[:, :-1], out=steps[:, 1:])
    np.abs(steps, out=steps)
    return np.minimum(steps / _STEP, 1, out=steps)


def _lines(steps: Steps, length: int) -> Steps:
    """Means over `length` rows, for each first row."""
    sums = np.zeros((steps.shape[0] + 1, steps.shape[1]), np.float32)
    np.cumsum(steps, axis=0, out=sums[1:])
    return (sums[length:] - sums[:-length]) / length


def _refined(grey: Image.Image, layout: Layout, left: float, top: float, scale: float) -> Sighting:
    """Edges to a fraction of a pixel, around a place that was found."""
    across = down = scale
    for reach in (4.0, 1.5):
        picture, border = _around(grey, layout, left, top, across, down)
        columns, rows = _spans(layout)
        shift_x, stretch_x = _fit(_profile(picture, rows, border), columns, border, reach)
        shift_y, stretch_y = _fit(_profile(picture.T, columns, border), rows, border, reach)
        left, top = left + shift_x * across, top + shift_y * down
        across, down = across * stretch_x, down * stretch_y
    left, top, across, down = _snapped(grey, layout, left, top, across, down)
    picture, border = _around(grey, layout, left, top, across, down)
    # What was enlarged has no sharp edges: paper beside them changes too.
    sharp = min(2.0, max(0.25, 4 * across - 1.75))
    return Sighting(left, top, across, down, _sides(picture, layout, border, sharp))


#: Around the captcha, in the layout's pixels, when its edges are refined.
_BORDER: Final = 8


def _around(
    grey: Image.Image, layout: Layout, left: float, top: float, across: float, down: float
) -> tuple[Steps, int]:
    """What is at that place with a border, in the layout's own pixels."""
    width, height = (length + 2 * _BORDER for length in layout.size)
    data = (across, 0, left - _BORDER * across, 0, down, top - _BORDER * down)
    if across > 1.5:
        # A transformation takes single pixels: what is larger is made smaller first.
        small = grey.reduce(int(across))
        by = grey.width / small.width
        data = tuple(value / by for value in data)  # type: ignore[assignment]
        grey = small
    moved = grey.transform(
        (width, height), Image.Transform.AFFINE, data, Image.Resampling.BILINEAR, fillcolor=255
    )
    return np.asarray(moved, np.float32), _BORDER


def _profile(picture: Steps, spans: Spans, border: int) -> Steps:
    """How strong steps to the right are in the rows of these spans, for each column."""
    steps = _steps(picture)
    rows = [steps[start + border : end + border] for start, end in spans]
    return np.asarray(np.concatenate(rows).mean(axis=0), np.float32)


def _fit(profile: Steps, spans: Spans, border: int, reach: float) -> tuple[float, float]:
    """The shift and stretch by which the edges meet the strongest steps."""
    shifts = np.arange(-reach, reach + 0.01, 0.125)
    stretches = 1 + np.arange(-0.03, 0.0301, 0.001) * reach / 4
    places = np.array(spans).reshape(-1, 1, 1) * stretches[:, None] + shifts + border
    # A step from pixel i - 1 to i is at i: its middle lies between both.
    met = np.interp(places, np.arange(len(profile)), profile).sum(axis=0)
    # Of equal ones the nearest.
    met -= 1e-4 * (np.abs(shifts) + 100 * np.abs(stretches - 1)[:, None])
    at, by = np.unravel_index(int(met.argmax()), met.shape)
    return float(shifts[by]), float(stretches[at])


def _snapped(
    grey: Image.Image, layout: Layout, left: float, top: float, across: float, down: float
) -> tuple[float, float, float, float]:
    """The whole picture, or whole pixels of one at its own size, where that is as near."""
    width, height = layout.size
    ends = (left / across, top / down)
    over = ((grey.width - left) / across - width, (grey.height - top) / down - height)
    if max(map(abs, (*ends, *over))) < 1.5:
        return 0.0, 0.0, grey.width / width, grey.height / height
    if abs(across - 1) < 0.008 and abs(down - 1) < 0.008:
        middle = left + (across - 1) * width / 2, top + (down - 1) * height / 2
        at = round(middle[0]), round(middle[1])
        inside = at[0] + width <= grey.width and at[1] + height <= grey.height
        if min(at) >= 0 and inside:
            return float(at[0]), float(at[1]), 1.0, 1.0
    return left, top, across, down


def _sides(picture: Steps, layout: Layout, border: int, sharp: float) -> float:
    """The share of the tiles' sides that are steps with paper outside, less what changes on the
    paper between tiles; `sharp`: how much changes on the paper count."""
    columns, rows = _spans(layout)
    across, down = _steps(picture), _steps(picture.T)
    there, noise = [], []
    for steps, spans, others in ((across, columns, rows), (down, rows, columns)):
        for start, end in others:
            line = steps[start + border : end + border]
            for edges in spans:
                for edge, out in zip((edge + border for edge in edges), (-2, 2), strict=True):
                    near = line[:, edge - 1 : edge + 2].max(axis=1).mean()
                    # Outside is paper, which has none.
                    there.append(float(near - sharp * line[:, edge + out].mean()) > _SIDE)
        whole = slice(others[0][0] + border, others[-1][1] + border)
        for (_, before), (after, _) in pairwise(spans):
            between = slice(before + border + 2, after + border - 1)
            if between.stop > between.start:
                along = (down if steps is across else across).T
                noise += [float(each[whole, between].mean()) for each in (steps, along)]
    return sum(there) / len(there) - sharp * sum(noise) / max(1, len(noise))
