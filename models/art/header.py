"""Header strips like the site's, in three kinds, from any words.

plain   each character in a font, size, slant and grey of its own, on white, with stray marks
noisy   since October 2017: each word on a grey, speckled patch of low contrast, struck through

The look follows real captchas: words begin 2 to 14 pixels right of the crop's edge, characters are
16 to 21 pixels large and slanted, the second word begins 27, 47 or 60 pixels after the first one
if that has one, two or three characters.
"""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.art import fonts, patch
from models.art.glyphs import Ink, hand, lay
from models.geometry import HEADER_HEIGHT, HEADER_WIDTH

#: Where the second word begins after the first, by the first one's characters, pixels.
STEP = {1: 27, 2: 47, 3: 60}

_MARKS = "\"*^~-.,'`"


def draw(
    words: Sequence[str],
    rng: np.random.Generator,
    *,
    faces: Sequence[Path],
    noisy: bool = False,
) -> NDArray[np.uint8]:
    """Draw one or two words: uint8 (28, 176), grey, not compressed yet."""
    left = rng.uniform(2, 14)
    page = np.full((HEADER_HEIGHT, HEADER_WIDTH), rng.integers(250, 256), np.float32)
    for word in words:
        if noisy:
            patch.draw(page, word, left, rng, faces)
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
    ink = np.zeros_like(page)
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
        glyph = hand(text, face, size, slant + rng.uniform(-0.12, 0.12), rng, blur=blur)
        x = left + rng.uniform(-1, 1)
        lay(ink, glyph * darkness, x, HEADER_HEIGHT / 2 + rng.uniform(-3.0, 2.0))
        left += size * rng.uniform(0.82, 1.02)
    if mark == len(word):
        _stray_mark(ink, left, rng)
    page *= 1 - ink


def _stray_mark(ink: Ink, left: float, rng: np.random.Generator) -> float:
    """A small mark, or a black block that may cover a little of the word; gives its width."""
    if rng.random() < 0.15:
        x0, y0 = max(0, int(left) - 5), int(rng.integers(4, 18))
        ink[y0 : y0 + rng.integers(3, 10), x0 : x0 + rng.integers(3, 9)] = rng.uniform(0.7, 1)
        return 0.0
    mark = _MARKS[int(rng.integers(len(_MARKS)))]
    glyph = hand(mark, fonts.FOLDER / "TilefleetSans-Bold.otf", 14, 0.2, rng)
    lay(ink, glyph * rng.uniform(0.5, 1), left - 2, rng.uniform(9, 19))
    return float(rng.uniform(2, 9))
