"""Ink: single characters, slanted and turned, and how they are put down on a strip."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from models.art import fonts

#: Ink on paper, 0 (none) to 1: what is drawn before it becomes grey values; float32.
Ink = NDArray[np.float32]


def hand(
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


def lay(ink: Ink, glyph: Ink, left: float, middle: float) -> None:
    """Put a square glyph down, its character's body beginning at `left`; what is outside is cut."""
    side = len(glyph)
    margin = side * (1 - 1 / fonts.CANVAS) / 2
    x, y = round(left - margin), round(middle - side / 2)
    x0, y0 = max(x, 0), max(y, 0)
    x1, y1 = min(x + side, ink.shape[1]), min(y + side, ink.shape[0])
    if x0 < x1 and y0 < y1:
        under = ink[y0:y1, x0:x1]
        np.maximum(under, glyph[y0 - y : y1 - y, x0 - x : x1 - x], out=under)
