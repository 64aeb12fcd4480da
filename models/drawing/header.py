"""Header strips like the site's, in three kinds, from any words.

plain    each character in a font, size, slant and grey of its own, on white, with stray marks
noisy    since October 2017: each word on a grey, speckled patch of low contrast, struck through
shaded   another of that time: written as the plain ones are, on speckled patches side by side that
         are darker in the middle

The look follows real captchas: words begin 2 to 14 pixels right of the crop's edge, characters are
16 to 21 pixels large and slanted, the second word begins 27, 47 or 60 pixels after the first one
if that has one, two or three characters. Another kind's headers, in another place than those, are
set as text (`models.drawing.typeset`).
"""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from models.drawing import fonts, typeset
from tilefleet.kind import BUILTIN, Kind

#: Ink on paper, 0 (none) to 1: what is drawn before it becomes grey values.
Ink = NDArray[np.float32]

#: Where the second word begins after the first, by the first one's characters, pixels.
STEP = {1: 27, 2: 47, 3: 60}

#: Share of the noisy headers that are shaded ones.
_SHADED = 0.5
_MARKS = "\"*^~-.,'`"


def draw(
    words: Sequence[str],
    rng: np.random.Generator,
    *,
    faces: Sequence[Path],
    noisy: bool = False,
    kind: Kind = BUILTIN,
) -> NDArray[np.uint8]:
    """Draw one or two words: uint8 (height, width), grey, not compressed yet."""
    if kind.layout.header != BUILTIN.layout.header:
        return typeset.draw(words, rng, faces=faces, shape=kind.layout.header_shape, noisy=noisy)
    shaded = noisy and rng.random() < _SHADED
    left = rng.uniform(0, 5) if shaded else rng.uniform(2, 14)
    page = np.full(kind.layout.header_shape, rng.integers(250, 256), np.float32)
    for word in words:
        if shaded:
            _draw_on_shade(page, word, round(left), rng, faces)
            left += STEP.get(len(word), 60)
            continue
        if noisy:
            _draw_on_patch(page, word, left, rng, faces)
        else:
            _draw_on_paper(page, word, left, rng, faces)
        left += STEP.get(len(word), 60) + rng.uniform(-3, 4)
    return page.clip(0, 255).astype(np.uint8)


def compress(strip: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Through a JPEG of the quality of the real ones and around it."""
    file = io.BytesIO()
    Image.fromarray(strip).save(file, "JPEG", quality=int(rng.integers(55, 95)))
    return np.asarray(Image.open(file))


def _draw_on_paper(
    page: NDArray[np.float32],
    word: str,
    left: float,
    rng: np.random.Generator,
    faces: Sequence[Path],
) -> None:
    page *= 1 - _written(np.zeros_like(page), word, left, rng, faces)


def _written(
    ink: Ink, word: str, left: float, rng: np.random.Generator, faces: Sequence[Path]
) -> Ink:
    """`ink`, an empty strip's, with a word and stray marks."""
    # Some headers change the hand with every character, some keep it.
    own_hand = rng.random() < 0.7
    slant, face = rng.uniform(0, 0.5), faces[int(rng.integers(len(faces)))]
    blur = rng.uniform(0, 0.65) if rng.random() < 0.6 else 0.0
    # A stray mark takes the place of a character, before, between or behind the others.
    mark = int(rng.integers(len(word) + 1)) if rng.random() < 0.3 else None
    for number, text in enumerate(word):
        if number == mark:
            left += _stray_mark(ink, left, rng)
        if own_hand:
            face = faces[int(rng.integers(len(faces)))]
        size = int(rng.integers(13, 23))
        darkness = rng.uniform(0.55, 1.0)
        glyph = _hand(text, face, size, slant + rng.uniform(-0.12, 0.12), rng, blur=blur)
        x = left + rng.uniform(-1, 1)
        _lay(ink, glyph * darkness, x, len(ink) / 2 + rng.uniform(-3.0, 2.0))
        left += size * rng.uniform(0.82, 1.02)
    if mark == len(word):
        _stray_mark(ink, left, rng)
    return ink


def _draw_on_shade(
    page: NDArray[np.float32],
    word: str,
    x0: int,
    rng: np.random.Generator,
    faces: Sequence[Path],
) -> None:
    height, width = page.shape
    x1 = min(width, x0 + STEP.get(len(word), 60) - int(rng.integers(0, 8)))
    y1 = height - int(rng.integers(0, 2))
    ink = _written(np.zeros_like(page), word, x0 + rng.uniform(1, 9), rng, faces)[:y1, x0:x1]
    ys, xs = np.mgrid[0 : 1 : y1 * 1j, 0 : 1 : (x1 - x0) * 1j]
    y, high = rng.uniform((0.4, 0.35), (1.1, 1.0))
    x, wide = rng.uniform((0.2, 0.25), (0.8, 0.7))
    shade = np.exp(-(((ys - y) / high) ** 2 + ((xs - x) / wide) ** 2))
    patch = rng.uniform(205, 250) - rng.uniform(20, 110) * shade
    patch *= 1 - ink * rng.uniform(0.5, 1.0)
    patch += rng.normal(0, rng.uniform(1, 8), patch.shape)
    for grey, most in ((255, 0.03), (rng.uniform(20, 90), 0.008)):
        patch[rng.random(patch.shape) < rng.uniform(0, most)] = grey
    page[:y1, x0:x1] = patch


def _draw_on_patch(
    page: NDArray[np.float32],
    word: str,
    left: float,
    rng: np.random.Generator,
    faces: Sequence[Path],
) -> None:
    size = int(rng.integers(16, 21))
    pitch = size * rng.uniform(0.88, 1.05)
    x0 = max(0, int(left - rng.uniform(1, 6)))
    x1 = min(page.shape[1], int(left + pitch * len(word) + rng.uniform(2, 9)))
    y0, y1 = int(rng.integers(0, 4)), int(rng.integers(len(page) - 4, len(page) + 1))
    ink = np.zeros_like(page)
    face, slant = faces[int(rng.integers(len(faces)))], rng.uniform(-0.4, 0.4)
    x = left
    for text in word:
        if rng.random() < 0.3:
            face = faces[int(rng.integers(len(faces)))]
        glyph = _hand(text, face, size, slant + rng.uniform(-0.1, 0.1), rng)
        _lay(ink, glyph, x, len(page) / 2 + rng.uniform(-2.5, 2.5))
        x += pitch
    for _ in range(rng.choice(3, p=(0.3, 0.5, 0.2))):
        _strike(ink, x0, x1, rng)
    shape = (y1 - y0, x1 - x0)
    paper = rng.uniform(115, 225)
    contrast = rng.uniform(50, 125)
    text_grey = paper - contrast * (1 if rng.random() < 0.9 else -1)
    patch = paper + (text_grey - paper) * ink[y0:y1, x0:x1]
    # Never so much noise that people could not read it any more.
    patch += rng.normal(0, rng.uniform(0.04, 0.2) * contrast, shape)
    specks = rng.random(shape) < rng.uniform(0, 0.06)
    patch[specks] += rng.uniform(-90, 90, int(specks.sum()))
    page[y0:y1, x0:x1] = patch


def _hand(
    text: str,
    face: Path,
    size: int,
    slant: float,
    rng: np.random.Generator,
    *,
    blur: float = 0.0,
) -> Ink:
    """One character, slanted, turned and out of focus by `blur` pixels; float32, square."""
    # Drawn at twice the size, so that what the transformation smooths is finer than a pixel.
    mask = fonts.character(face, text, size * 2)
    side = round(size * fonts.CANVAS)
    angle = rng.uniform(-0.14, 0.14)
    wide, high = rng.uniform(0.88, 1.1), rng.uniform(0.9, 1.1)
    cos, sin = np.cos(angle) * 2, np.sin(angle) * 2
    matrix = np.array([[cos, sin], [-sin, cos]]) @ np.array([[1 / wide, slant], [0, 1 / high]])
    centre = np.array([mask.width / 2, mask.height / 2])
    shift = centre - matrix @ np.array([side / 2, side / 2])
    data = (matrix[0, 0], matrix[0, 1], shift[0], matrix[1, 0], matrix[1, 1], shift[1])
    turned = mask.transform((side, side), Image.Transform.AFFINE, data, Image.Resampling.BICUBIC)
    if blur:
        turned = turned.filter(ImageFilter.GaussianBlur(blur))
    ink = np.asarray(turned, np.float32) / 255
    # Thinner or thicker strokes.
    return np.power(ink, rng.uniform(0.6, 1.8), dtype=np.float32)


def _lay(ink: Ink, glyph: Ink, left: float, middle: float) -> None:
    """Put a square glyph down, its character's body beginning at `left`; what is outside is cut."""
    side = len(glyph)
    margin = side * (1 - 1 / fonts.CANVAS) / 2
    x, y = round(left - margin), round(middle - side / 2)
    x0, y0 = max(x, 0), max(y, 0)
    x1, y1 = min(x + side, ink.shape[1]), min(y + side, ink.shape[0])
    if x0 < x1 and y0 < y1:
        under = ink[y0:y1, x0:x1]
        np.maximum(under, glyph[y0 - y : y1 - y, x0 - x : x1 - x], out=under)


def _stray_mark(ink: Ink, left: float, rng: np.random.Generator) -> float:
    """A small mark, or a black block that may cover a little of the word; gives its width."""
    if rng.random() < 0.15:
        x0, y0 = max(0, int(left) - 5), int(rng.integers(4, 18))
        ink[y0 : y0 + rng.integers(3, 10), x0 : x0 + rng.integers(3, 9)] = rng.uniform(0.7, 1)
        return 0.0
    mark = _MARKS[int(rng.integers(len(_MARKS)))]
    glyph = _hand(mark, fonts.BOLD, 14, 0.2, rng)
    _lay(ink, glyph * rng.uniform(0.5, 1), left - 2, rng.uniform(9, 19))
    return float(rng.uniform(2, 9))


def _strike(ink: Ink, x0: int, x1: int, rng: np.random.Generator) -> None:
    """A line across the word or a part of it, drawn or scratched out."""
    image = Image.new("L", (ink.shape[1], ink.shape[0]))
    left, right = sorted(rng.uniform(x0 - 2, x1 + 2, 2)) if rng.random() < 0.5 else (x0 - 2, x1 + 2)
    ends = [(left, rng.uniform(2, 26)), (right, rng.uniform(2, 26))]
    ImageDraw.Draw(image).line(ends, 255, width=1 + (rng.random() < 0.25))
    line = np.asarray(image, np.float32) / 255
    if rng.random() < 0.75:
        np.maximum(ink, line, out=ink)
    else:
        ink *= 1 - line
