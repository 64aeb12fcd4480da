"""Header strips of any kind of captcha: words set as text, in any script that a font has.

How a kind's headers really look is not known, so all that may be different is: the font, its size
and place, ink and paper, which is the darker, a tilt, blur, noise, and lines through the words.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

#: Least and most height of the letters, relative to the strip's.
_SIZES = (0.42, 0.8)
_LEAST_SIZE = 6
#: What is left free around words that fill the strip, pixels.
_MARGIN = 2
#: Words are moved up or down by this part of the height at most.
_PLAY = 7
#: Share of the headers with light words on dark paper.
_INVERTED = 0.08


def draw(
    words: Sequence[str],
    rng: np.random.Generator,
    *,
    faces: Sequence[Path],
    shape: tuple[int, int],
    noisy: bool,
) -> NDArray[np.uint8]:
    """Draw words side by side: uint8 (height, width), grey."""
    ink = _written(words, rng, faces, shape)
    paper = rng.uniform(205, 256) if rng.random() < 0.8 else rng.uniform(150, 235)
    darkness = rng.uniform(0.5, 1.0)
    page = np.full(shape, paper, np.float32)
    if noisy:
        ink = np.maximum(ink, _lines(rng, shape) * rng.uniform(0.3, 0.8))
        left, right = rng.uniform(-25, 25, 2)
        page += np.linspace(left, right, shape[1])
        page += rng.normal(0, rng.uniform(2, 14), shape)
    page *= 1 - ink * darkness
    if rng.random() < _INVERTED:
        page = 255 - page
    specks = rng.random(shape) < rng.uniform(0, 0.02) * noisy
    page[specks] = rng.uniform(0, 255)
    return page.clip(0, 255).astype(np.uint8)


def _written(
    words: Sequence[str], rng: np.random.Generator, faces: Sequence[Path], shape: tuple[int, int]
) -> NDArray[np.float32]:
    """The words' ink, 0 to 1."""
    height, width = shape
    face = faces[int(rng.integers(len(faces)))]
    size = max(_LEAST_SIZE, round(height * rng.uniform(*_SIZES)))
    between = rng.uniform(0.3, 1.1)
    boxes = [_box(face, size, word) for word in words]
    room = width - 2 * _MARGIN
    needed = sum(right - left for left, _, right, _ in boxes) + between * size * (len(words) - 1)
    if needed > room:
        size = max(_LEAST_SIZE, int(size * room / needed))
        boxes = [_box(face, size, word) for word in words]
        needed = sum(right - left for left, _, right, _ in boxes)
        needed += between * size * (len(words) - 1)
    free = max(0.0, room - needed)
    x = _MARGIN + rng.uniform(0, free)
    image = Image.new("L", (width, height))
    pen = ImageDraw.Draw(image)
    # On one line, but for a little.
    top, bottom = min(box[1] for box in boxes), max(box[3] for box in boxes)
    play = max(0.5, (height - (bottom - top)) / 2)
    y = (height - top - bottom) / 2 + rng.uniform(-1, 1) * min(play, height / _PLAY)
    for word, (left, _, right, _) in zip(words, boxes, strict=True):
        pen.text((x - left, y + rng.normal(0, 0.5)), word, 255, font=_load(face, size))
        x += right - left + between * size
    image = _tilted(image, rng)
    if rng.random() < 0.5:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0, 0.8)))
    ink = np.asarray(image, np.float32) / 255
    # Thinner or thicker strokes.
    return np.power(ink, rng.uniform(0.6, 1.5), dtype=np.float32)


def _tilted(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Turned and slanted around its middle."""
    angle, slant = rng.normal(0, 0.012), rng.normal(0, 0.12)
    width, height = image.size
    data = (1, slant, -slant * height / 2, angle, 1, -angle * width / 2)
    return image.transform(image.size, Image.Transform.AFFINE, data, Image.Resampling.BICUBIC)


def _lines(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float32]:
    height, width = shape
    image = Image.new("L", (width, height))
    pen = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(0, 4))):
        ends = [(rng.uniform(0, width), rng.uniform(0, height)) for _ in range(2)]
        pen.line(ends, 255, width=1)
    drawn: NDArray[np.float32] = np.asarray(image, np.float32) / np.float32(255)
    return drawn


@lru_cache(maxsize=1 << 14)
def _box(face: Path, size: int, word: str) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a word's ink from where it is set."""
    return _load(face, size).getbbox(word)


@lru_cache(maxsize=2048)
def _load(face: Path, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(face, size)
