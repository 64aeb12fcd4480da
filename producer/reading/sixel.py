"""A picture as sixels: bands of six rows, colour by colour, in text.

The format is DEC's (https://vt100.net/docs/vt3xx-gp/chapter14.html); xterm, foot, mlterm, Contour,
Windows Terminal and tmux show it. A character is a column of six pixels of one colour, the lowest
bit on top; ``!7~`` is seven of the same, ``$`` goes back to the band's begin for another colour,
``-`` to the next band.
"""

import re
from io import BytesIO
from typing import Final

import numpy as np
from PIL import Image

#: Rows of a band, and what stands for a column without a pixel.
_ROWS: Final = 6
_EMPTY: Final = ord("?")
#: Worth being counted instead of repeated.
_RUN: Final = re.compile(r"(.)\1{3,}")


def encode(png: bytes, *, width: int, colours: int) -> str:
    """What shows a picture where the cursor is.

    At most `width` pixels wide, in at most `colours` colours, 2 to 256.
    """
    picture = Image.open(BytesIO(png)).convert("RGB")
    if picture.width > width:
        height = max(1, round(picture.height * width / picture.width))
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    indexed = picture.quantize(colours)
    palette = np.array(indexed.getpalette()).reshape(-1, 3)
    pixels = np.asarray(indexed)
    used = np.unique(pixels)
    # Square pixels, and all sizes; what has no pixel is left as it is.
    start = f'\x1bP0;1;0q"1;1;{picture.width};{picture.height}'
    registers = "".join(f"#{each};2;{_percent(palette[each])}" for each in used)
    bands = (_band(pixels[top : top + _ROWS]) for top in range(0, picture.height, _ROWS))
    return f"{start}{registers}{'-'.join(bands)}\x1b\\"


def _percent(colour: np.ndarray) -> str:
    """Red, green and blue, as the format has them."""
    return ";".join(str(round(int(part) * 100 / 255)) for part in colour)


def _band(rows: np.ndarray) -> str:
    """(rows, width) → its colours one after the other."""
    weights = 1 << np.arange(len(rows))
    return "$".join(_line(each, weights @ (rows == each)) for each in np.unique(rows))


def _line(colour: int, columns: np.ndarray) -> str:
    """(width,) of bits → what paints them."""
    text = (columns + _EMPTY).astype(np.uint8).tobytes().decode().rstrip("?")
    return f"#{colour}{_RUN.sub(lambda run: f'!{len(run[0])}{run[1]}', text)}"
