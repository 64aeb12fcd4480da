"""Tile pictures to learn from: labelled files, tiles cut from captchas, and drawn ones.

Every picture has the tile in the middle and a margin that a shifted or turned view may show.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.errors import BadTiles
from models.geometry import TILE, TILE_XS, TILE_YS
from models.image import decode
from models.labels import LABELS

#: Pixels around the 67×67 tile in a labelled file, and in what is cut from a captcha.
MARGIN = 3
#: Further pixels around those, mirrored from inside.
MIRRORED = 16
_SUFFIXES = {".jpg", ".jpeg", ".png"}
_MAX_CAPTCHA_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Pictures:
    """Pictures with a label each, or none."""

    #: RGB(A), square, the tile in the middle.
    images: tuple[Image.Image, ...]
    #: int64 (n,): class, or -1 where it is not known.
    labels: NDArray[np.int64]
    #: int64 (n,): the number after the label in the file's name; -1 without one.
    numbers: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.images)

    def only(self, chosen: NDArray[np.bool_]) -> "Pictures":
        indices = np.flatnonzero(chosen)
        return Pictures(
            tuple(self.images[index] for index in indices),
            self.labels[indices],
            self.numbers[indices],
        )

    def tiles(self) -> NDArray[np.uint8]:
        """The plain tiles, uint8 (n, 67, 67, 3)."""
        return np.stack([_middle(image) for image in self.images])


def labelled(folder: Path) -> Pictures:
    """Files named LL_KK.jpg, LL being the class, of about 73×73 pixels; raises BadTiles."""
    files, labels, numbers = _named(folder)
    images = []
    for path in files:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
        images.append(_with_mirror(_to_side(pixels, TILE + 2 * MARGIN)))
    return Pictures(tuple(images), labels, numbers)


def drawn(folder: Path) -> Pictures:
    """Files named LL_KK.png of any size, which may be transparent; they fill the whole tile."""
    files, labels, numbers = _named(folder)
    images = []
    for path in files:
        with Image.open(path) as image:
            small = image.convert("RGBA").resize((TILE, TILE), Image.Resampling.LANCZOS)
        images.append(small)
    return Pictures(tuple(images), labels, numbers)


def unlabelled(folder: Path) -> Pictures:
    """The eight tiles of every captcha of a folder; raises BadTiles, or BadImage for a bad file."""
    images = []
    for path in sorted(folder.glob("*.jpg")):
        pixels = decode(path.read_bytes(), max_bytes=_MAX_CAPTCHA_BYTES)
        for y in TILE_YS:
            for x in TILE_XS:
                rows = slice(y - MARGIN, y + TILE + MARGIN)
                columns = slice(x - MARGIN, x + TILE + MARGIN)
                images.append(_with_mirror(pixels[rows, columns]))
    if not images:
        raise BadTiles(f"{folder} has no captchas (*.jpg)")
    unknown = np.full(len(images), -1)
    return Pictures(tuple(images), unknown, unknown)


def _named(folder: Path) -> tuple[list[Path], NDArray[np.int64], NDArray[np.int64]]:
    found = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        name = re.fullmatch(r"(\d\d)(?:_(\d+))?", path.stem)
        if path.suffix.lower() in _SUFFIXES and name and int(name[1]) < len(LABELS):
            found.append((path, int(name[1]), int(name[2] or -1)))
    if not found:
        raise BadTiles(f"{folder} has no pictures named LL_KK.jpg or .png, LL from 00 to 79")
    files, labels, numbers = zip(*found, strict=True)
    return list(files), np.array(labels), np.array(numbers)


def _to_side(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Cut or repeat the last row and column until it has `side` of each."""
    missing = [(0, max(0, side - length)) for length in pixels.shape[:2]]
    return np.pad(pixels, [*missing, (0, 0)], mode="edge")[:side, :side]


def _with_mirror(pixels: NDArray[np.uint8]) -> Image.Image:
    width = (MIRRORED, MIRRORED)
    return Image.fromarray(np.pad(pixels, [width, width, (0, 0)], mode="reflect"))


def _middle(image: Image.Image) -> NDArray[np.uint8]:
    left = (image.width - TILE) // 2
    cut = image.convert("RGB").crop((left, left, left + TILE, left + TILE))
    return np.asarray(cut)
