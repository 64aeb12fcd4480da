"""Fonts as masks of single characters.

The package has two, with the built-in labels' characters, the prompt's and ASCII only; training
adds any folder of font files and, for a kind of one's own, the fonts that are installed.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from tilefleet.errors import ModelError, TilefleetError
from tilefleet.kind import BUILTIN, Kind

FOLDER = Path(__file__).parent / "fonts"
#: Has the characters of the built-in's labels, and those that charts and annotated pictures need.
BOLD = FOLDER / "TilefleetSans-Bold.otf"
#: What stands in the header before the words: black, then red.
PROMPT = ("请点击下图中", "所有的")

#: Fonts that nothing is trained with, where they are found: held-out headers are drawn in them.
HELD_OUT_FONTS = ("wqy-zenhei.ttc", "gkai00mp.ttf")

#: Where a system has its fonts.
INSTALLED = (
    Path("/usr/share/fonts"),
    Path("/usr/local/share/fonts"),
    Path("/Library/Fonts"),
    Path("/System/Library/Fonts"),
    Path.home() / ".fonts",
    Path.home() / ".local" / "share" / "fonts",
)
#: Of the fonts for a kind of one's own, one of so many is held out.
_HELD_OUT = 5
#: Characters that an error names.
_NAMED = 12

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

    Where none of the latter is found, the former serve for both. For another kind than the
    built-in's, fonts that are installed are looked at, too. Raises ModelError where no font has the
    characters.
    """
    needed = "".join(dict.fromkeys("".join(kind.labels)))
    if kind != BUILTIN:
        found = find(_with_installed(folders), needed=needed)
        if not found:
            raise ModelError(_lacking(folders, needed))
        held_out = list(found[_HELD_OUT - 1 :: _HELD_OUT])
        return [face for face in found if face not in held_out], held_out or list(found)
    found = find(folders, needed=needed)
    train = [face for face in found if face.name not in HELD_OUT_FONTS]
    return train, [face for face in found if face not in train] or train


def _with_installed(folders: Sequence[Path]) -> list[Path]:
    return [*folders, *(each for each in INSTALLED if each.is_dir())]


def _lacking(folders: Sequence[Path], needed: str) -> str:
    """Which characters no font draws or, if each is drawn by some, that none has them all."""
    every = find(_with_installed(folders))
    missing = [text for text in needed if not any(_has_safely(font, text) for font in every)]
    scripts = sorted({unicodedata.name(text, "?").split()[0] for text in missing})
    advice = "install one, or give --fonts FOLDER"
    if not missing:
        return f"none of {len(every)} fonts has all {len(needed)} characters of the words: {advice}"
    more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
    return (
        f"no font draws {' '.join(missing[:_NAMED])}{more} ({', '.join(scripts)}), characters of "
        f"the words, in {len(every)} fonts: {advice}"
    )


def _has_safely(font: Path, text: str) -> bool:
    try:
        return has(font, text)
    except OSError:
        # Not every file with a font's ending is one that FreeType draws.
        return False


@lru_cache(maxsize=512)
def _load(font: Path, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(font, size)
