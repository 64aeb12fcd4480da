"""Fonts as masks of single characters.

The package has two, with the characters of the labels and of the prompt only; training adds any
folder of font files.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from tilefleet.errors import TilefleetError
from tilefleet.kind import BUILTIN, Kind

FOLDER = Path(__file__).parent / "fonts"
#: Has the characters of the built-in's labels, and those that charts and annotated pictures need.
BOLD = FOLDER / "TilefleetSans-Bold.otf"
#: What stands in the header before the words: black, then red.
PROMPT = ("请点击下图中", "所有的")

#: Fonts that nothing is trained with, where they are found: held-out headers are drawn in them.
HELD_OUT_FONTS = ("wqy-zenhei.ttc", "gkai00mp.ttf")

#: Side of a drawn character's square canvas, relative to the font size.
CANVAS = 1.6

#: A character that no font has: what is drawn for it is the font's sign for "missing".
_MISSING = "\ue123"


@lru_cache(maxsize=1 << 15)
def character(font: Path, text: str, size: int) -> Image.Image:
    """A mask ("L", square, side ``CANVAS × size``) with one character in its middle."""
    side = round(size * CANVAS)
    image = Image.new("L", (side, side))
    ImageDraw.Draw(image).text((side / 2, side / 2), text, 255, font=_load(font, size), anchor="mm")
    return image


@lru_cache(maxsize=1 << 16)
def has(font: Path, text: str) -> bool:
    """Whether the font draws something of its own for the character."""
    drawn = character(font, text, 24)
    if drawn.getbbox() is None:
        return False
    return drawn.tobytes() != character(font, _MISSING, 24).tobytes()


def find(folders: Iterable[Path] = (), *, needed: str = "") -> Sequence[Path]:
    """Our fonts and those of `folders` that have every needed character, in a fixed order.

    Raises TilefleetError if a folder does not exist.
    """
    files = set(FOLDER.glob("*.otf"))
    for folder in folders:
        if not folder.is_dir():
            raise TilefleetError(f"{folder} is not a folder of font files")
        files |= {path for path in folder.rglob("*") if path.suffix in {".ttf", ".otf", ".ttc"}}
    return [font for font in sorted(files) if all(_has_safely(font, text) for text in needed)]


def faces(folders: Sequence[Path], kind: Kind = BUILTIN) -> tuple[list[Path], list[Path]]:
    """Fonts with every label's character: those to train with, and the held-out ones.

    Where none of the latter is found, the former serve for both.
    """
    found = find(folders, needed="".join(kind.labels))
    train = [face for face in found if face.name not in HELD_OUT_FONTS]
    return train, [face for face in found if face not in train] or train


def _has_safely(font: Path, text: str) -> bool:
    try:
        return has(font, text)
    except OSError:
        # Not every file with a font's ending is one that FreeType draws.
        return False


@lru_cache(maxsize=512)
def _load(font: Path, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(font, size)
