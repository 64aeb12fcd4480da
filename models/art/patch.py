"""One word of a noisy header: on a grey, speckled patch of low contrast, sheared, struck through.

No picture of this kind was at hand: everything that its description leaves open is drawn in many
ways (the light, its fall, the noise and its grain, waves, the number and the shape of strokes).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from models.art.glyphs import Ink, hand, lay
from models.geometry import HEADER_HEIGHT, HEADER_WIDTH

Random = np.random.Generator

#: Shares of patches …
_WAVY, _FALLING, _GRAINY, _BLURRED, _FRAMED, _LIGHT_ON_DARK = 0.35, 0.4, 0.4, 0.25, 0.1, 0.1

#: How many pixels away `_blur` looks.
_REACH = 3


def draw(
    page: NDArray[np.float32], word: str, left: float, rng: Random, faces: Sequence[Path]
) -> None:
    """Draw a word and its patch on a strip of grey values, float32 (28, 176), from `left` on."""
    size = int(rng.integers(15, 22))
    pitch = size * rng.uniform(0.88, 1.05)
    x0 = max(0, int(left - rng.uniform(1, 6)))
    x1 = min(HEADER_WIDTH, int(left + pitch * len(word) + rng.uniform(2, 9)))
    y0, y1 = int(rng.integers(0, 4)), int(rng.integers(24, HEADER_HEIGHT + 1))
    ink = _write(word, left, size, pitch, rng, faces)
    for _ in range(rng.choice(4, p=(0.25, 0.45, 0.2, 0.1))):
        _strike(ink, x0, x1, rng)
    contrast = rng.uniform(50, 130)
    text = contrast * (1 if rng.random() < _LIGHT_ON_DARK else -1)
    # Neither the ground nor the text is beyond black or white.
    grey = rng.uniform(max(100, 20 - text), min(235, 250 - text))
    patch = _paper((y1 - y0, x1 - x0), grey, contrast, rng) + text * ink[y0:y1, x0:x1]
    if rng.random() < _BLURRED:
        patch = _blur(patch, rng.uniform(0.3, 0.6))
    if rng.random() < _FRAMED:
        patch[[0, -1], :] = patch[:, [0, -1]] = rng.uniform(60, 220)
    page[y0:y1, x0:x1] = patch + _specks(patch.shape, rng)


def _write(
    word: str, left: float, size: int, pitch: float, rng: Random, faces: Sequence[Path]
) -> Ink:
    ink = np.zeros((HEADER_HEIGHT, HEADER_WIDTH), np.float32)
    face, slant = faces[int(rng.integers(len(faces)))], rng.uniform(-0.5, 0.5)
    own_hand = rng.random() < 0.3
    # The line of writing rises or falls.
    middle, rise = HEADER_HEIGHT / 2 + rng.uniform(-2, 2), rng.normal(0, 0.05)
    for number, text in enumerate(word):
        if own_hand:
            face = faces[int(rng.integers(len(faces)))]
        each = size + int(rng.integers(-1, 2))
        glyph = hand(text, face, each, slant + rng.uniform(-0.1, 0.1), rng)
        along = pitch * number
        across = middle + rise * (along - pitch * (len(word) - 1) / 2) + rng.uniform(-1.5, 1.5)
        lay(ink, glyph, left + along + rng.uniform(-1, 1), across)
    return _wave(ink, rng) if rng.random() < _WAVY else ink


def _wave(ink: Ink, rng: Random) -> Ink:
    """Rows moved sideways, or columns up and down, as a sine of where they are."""
    moved = ink if rng.random() < 0.5 else np.ascontiguousarray(ink.T)
    places = np.arange(moved.shape[1])
    phase, length = rng.uniform(0, 2 * np.pi), rng.uniform(12, 50)
    reach = rng.uniform(0.5, 1.8)
    shifts = reach * np.sin(phase + 2 * np.pi * np.arange(len(moved)) / length)
    rows = [
        np.interp(places + shift, places, row) for row, shift in zip(moved, shifts, strict=True)
    ]
    waved = np.stack(rows).astype(np.float32)
    return waved if moved is ink else waved.T


def _paper(
    shape: tuple[int, int], grey: float, contrast: float, rng: Random
) -> NDArray[np.float32]:
    """The ground of a patch, float32 grey values; its noise is never such that people could not
    read a text of that contrast any more."""
    paper = np.full(shape, grey, np.float32)
    if rng.random() < _FALLING:
        down, right = rng.uniform(-0.3, 0.3, 2) * contrast
        paper += down * np.linspace(-1, 1, shape[0])[:, None] + right * np.linspace(-1, 1, shape[1])
    noise = rng.normal(0, 1, shape).astype(np.float32)
    strength = rng.uniform(0.03, 0.2)
    if rng.random() < _GRAINY:
        noise = _blur(noise, rng.uniform(0.4, 1.2))
        # Coarse grain hides more.
        noise *= 0.6 / noise.std()
    paper += noise * np.float32(strength * contrast)
    return paper


def _specks(shape: tuple[int, ...], rng: Random) -> NDArray[np.float32]:
    """Single pixels, or pairs, that are darker or lighter."""
    specks = np.zeros(shape, np.float32)
    chosen = rng.random(shape) < rng.uniform(0, 0.07)
    least, most = ((-90, 90), (-90, 0), (0, 90))[int(rng.integers(3))]
    specks[chosen] = rng.uniform(least, most, int(chosen.sum()))
    if rng.random() < 0.3:
        specks[:, 1:] += specks[:, :-1]
    return specks


def _strike(ink: Ink, x0: int, x1: int, rng: Random) -> None:
    """A line or a curve across the word or a part of it, drawn or scratched out."""
    image = Image.new("L", (ink.shape[1], ink.shape[0]))
    left, right = sorted(rng.uniform(x0 - 2, x1 + 2, 2)) if rng.random() < 0.5 else (x0 - 2, x1 + 2)
    along = np.linspace(left, right, 12)
    first, second = rng.uniform(2, 26, 2)
    height = np.linspace(first, second, 12)
    if rng.random() < 0.3:
        turns = rng.uniform(0.5, 2) * np.pi
        height += rng.uniform(1, 5) * np.sin(rng.uniform(0, 6) + np.linspace(0, turns, 12))
    points = list(zip(along.tolist(), height.tolist(), strict=True))
    ImageDraw.Draw(image).line(points, 255, width=1 + (rng.random() < 0.25))
    line = np.asarray(image, np.float32) / 255
    if rng.random() < 0.75:
        # As dark as the text, or paler.
        np.maximum(ink, line * np.float32(rng.uniform(0.6, 1.1)), out=ink)
    else:
        ink *= 1 - line


def _blur(values: NDArray[np.float32], radius: float) -> NDArray[np.float32]:
    taps = np.arange(-_REACH, _REACH + 1)
    weights = np.exp(-(taps**2) / (2 * radius**2))
    weights /= weights.sum()
    height, width = values.shape
    padded = np.pad(values, _REACH, mode="edge")
    rows = sum(weight * padded[tap : tap + height] for tap, weight in enumerate(weights))
    both = sum(weight * rows[:, tap : tap + width] for tap, weight in enumerate(weights))
    return np.asarray(both, np.float32)
