"""Where a captcha is in a picture that is not one: scaled, with a border, on a page.

The layout is looked for by the sides of its tiles (`models.recognition.search`). Around each likely
place they are found to a fraction of a pixel, down and across on their own, and it is measured how
many of them are really there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter

from models.recognition.edges import Steps, fit, outline, profile, sides_there, spans_of
from models.recognition.place import Place
from models.recognition.search import search, unscaled
from tilefleet.answer import Grid
from tilefleet.layout import Layout

#: The share of sides that must be there, and at a place and scale out of very many.
_LEAST_SIDES: Final = 0.15
_LEAST_OF_MANY: Final = 0.25
#: A captcha as the site drew it shows so many.
_CLEAR: Final = 0.5
#: How much a picture of the layout's shape may differ from it.
_SHAPE: Final = 0.02
#: What differs so much from a picture's corner is not its border, of 255.
_BORDER_STEP: Final = 24
#: See `Sighting.worth`.
_OWN_SIZE: Final = 0.05
#: Places that are looked at closely.
_TRIED: Final = 4
#: Around the captcha, in the layout's pixels, when its edges are looked at.
_BORDER: Final = 8
#: By how much, in percent, the words and tiles of a captcha are sharpened that is smaller by as
#: much as it is, and how little smaller it is for that to be left.
_WORDS: Final = 600
_TILES: Final = 300
_SOFT: Final = 0.05
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
    #: How many must be there.
    needed: float = _LEAST_SIDES

    @property
    def found(self) -> bool:
        return self.sides >= self.needed

    @property
    def worth(self) -> float:
        """Its sides; of two that show about as many, a captcha at its own size is likelier."""
        return self.sides + (_OWN_SIZE if (self.across, self.down) == (1.0, 1.0) else 0.0)

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
    best = max(
        (*_filling(grey, layout), *_unscaled(grey, layout)),
        key=lambda seen: seen.worth,
        default=None,
    )
    if best is not None and best.found:
        return best
    for _, place in sorted(search(grey, layout), reverse=True)[:_TRIED]:
        seen = _refined(grey, layout, *place)
        if best is None or seen.sides > best.sides:
            best = seen
        if best.sides > _CLEAR:
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
        words = page.filter(_sharpened(_WORDS * missing)).crop((x, y, x + width, y + height))
        page = page.filter(_sharpened(_TILES * missing))
        page.paste(words, (x, y))
    return np.asarray(page)


def _sharpened(percent: float) -> ImageFilter.UnsharpMask:
    return ImageFilter.UnsharpMask(radius=1, percent=round(percent), threshold=0)


def _filling(grey: Image.Image, layout: Layout) -> Iterator[Sighting]:
    """All of the picture, and what is inside its border, where they have the layout's shape."""
    border = Image.new("L", grey.size, grey.getpixel((0, 0)))
    inside = ImageChops.difference(grey, border).point(lambda step: 255 * (step > _BORDER_STEP))
    for box in dict.fromkeys(((0, 0, *grey.size), inside.getbbox())):
        if box is None:
            continue
        left, top, right, bottom = box
        across, down = (right - left) / layout.size[0], (bottom - top) / layout.size[1]
        if abs(across / down - 1) > _SHAPE:
            continue
        picture = _around(grey, layout, left, top, across, down)
        sides = _sides(picture, layout, across, least=0.25)
        yield Sighting(left, top, across, down, sides)


def _unscaled(grey: Image.Image, layout: Layout) -> Iterator[Sighting]:
    """A captcha at its own size, with something around it: by how strong its tiles' sides are, how
    many are there, and how much of its outline is to be seen."""
    best, most = None, -np.inf
    for strength, (left, top) in unscaled(grey, layout):
        picture = _around(grey, layout, left, top, 1.0, 1.0)
        sides = _sides(picture, layout, 1.0)
        if (worth := 2 * strength + sides + outline(picture, _BORDER)) > most:
            best, most = Sighting(left, top, 1.0, 1.0, sides), worth
    if best is not None:
        yield best


def _refined(grey: Image.Image, layout: Layout, left: float, top: float, scale: float) -> Sighting:
    """Edges to a fraction of a pixel, around a place that was found."""
    across = down = scale
    for reach in (4.0, 1.5):
        picture = _around(grey, layout, left, top, across, down)
        columns, rows = spans_of(layout)
        shift_x, stretch_x = fit(profile(picture, rows, _BORDER), columns, _BORDER, reach)
        shift_y, stretch_y = fit(profile(picture.T, columns, _BORDER), rows, _BORDER, reach)
        left, top = left + shift_x * across, top + shift_y * down
        across, down = across * stretch_x, down * stretch_y
    left, top, across, down = _snapped(grey, layout, left, top, across, down)
    sides = _sides(_around(grey, layout, left, top, across, down), layout, across)
    return Sighting(left, top, across, down, sides, _LEAST_OF_MANY)


def _sides(picture: Steps, layout: Layout, across: float, *, least: float = 1.0) -> float:
    """The share of the tiles' sides that are there, in what `_around` gave; `least`: how much what
    changes on the paper counts at the least."""
    # What was enlarged has no sharp edges: paper beside them changes too.
    sharp = min(2.0, max(least, 4 * across - 1.75))
    return sides_there(picture, layout, _BORDER, sharp)


def _around(
    grey: Image.Image, layout: Layout, left: float, top: float, across: float, down: float
) -> Steps:
    """What is at that place with a border of `_BORDER`, in the layout's own pixels."""
    size = grey.size
    width, height = (length + 2 * _BORDER for length in layout.size)
    reduced = 1.0
    if across >= 2:
        # A transformation takes single pixels: what is larger is made smaller first.
        small = grey.reduce(int(across))
        reduced = grey.width / small.width
        grey = small
    affine = (across, 0, left - _BORDER * across, 0, down, top - _BORDER * down)
    data = [value / reduced for value in affine]
    moved = grey.transform(
        (width, height), Image.Transform.AFFINE, data, Image.Resampling.BILINEAR, fillcolor=255
    )
    pixels = np.array(moved, np.float32)
    _repeat_ends(pixels.T, left, across, size[0])
    _repeat_ends(pixels, top, down, size[1])
    return pixels


def _repeat_ends(pixels: Steps, start: float, scale: float, length: int) -> None:
    """Rows outside the picture are like the nearest inside: where it ends is no step."""
    places = start + (np.arange(len(pixels)) + 0.5 - _BORDER) * scale
    inside = np.flatnonzero((places >= scale) & (places <= length - scale))
    if len(inside):
        pixels[: inside[0]] = pixels[inside[0]]
        pixels[inside[-1] + 1 :] = pixels[inside[-1]]


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
