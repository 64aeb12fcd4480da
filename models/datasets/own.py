"""What there is to learn from in a folder of data of a kind of its own (`kinds`).

::

    layout.toml, words.txt   the kind
    tiles/WORD/*             labelled pictures of any size, scaled to a tile (or tiles/LL_KK.*)
    tiles.npz                labelled ones as `models bootstrap` writes them
    *.jpg, *.png …           captchas; what answers.csv picks for a single word is labelled, too
    captchas/                more with answers.csv, on which all is only measured

Of the labelled pictures and of the captchas a tenth is kept to measure on and another to calibrate
on, by their bytes; of words with few pictures none.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.datasets.answers import ANSWERS
from models.datasets.counted import counted
from models.datasets.pictures import MARGIN, Pictures, certain, with_mirror
from models.datasets.tiles import named, open_captcha
from models.datasets.truth import Truth, truths
from models.recognition.crops import cut_header, cut_tiles
from tilefleet.errors import BadImage, BadTiles, did_you_mean, reason
from tilefleet.kind import Kind

TILES: Final = "tiles"
COUNTED: Final = "tiles.npz"
SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif"})
#: The layout, drawn onto a captcha of the folder: none of its captchas.
DRAWN: Final = "layout.png"

#: Of 256 values of a hash's first byte: those to measure on, and those to calibrate on behind them.
_TENTH: Final = 26
#: Words with fewer pictures have all of them learned from.
_SPARED: Final = 20


@dataclass(frozen=True, slots=True)
class Parts:
    """Labelled pictures, parted."""

    learned: Pictures
    calibrated: Pictures
    measured: Pictures


def pictures_in(folder: Path) -> list[Path]:
    """The captchas of a folder, or what could be some, in order."""
    return [
        path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in SUFFIXES and path.name != DRAWN and path.is_file()
    ]


def labelled_files(data: Path, kind: Kind) -> list[tuple[Path, int]]:
    """The pictures below tiles/ with their classes; raises BadTiles for what is no word."""
    folder = data / TILES
    if not folder.is_dir():
        return []
    below = sorted(path for path in folder.iterdir() if path.is_dir())
    if odd := [path.name for path in below if path.name not in kind.index]:
        more = f" (and {len(odd) - 1} more)" if len(odd) > 1 else ""
        raise BadTiles(
            f"{folder / odd[0]}{more}: {odd[0]!r} is none of the {len(kind.labels)} words of "
            f"{data.name}/words.txt{did_you_mean(odd[0], kind.labels)}"
        )
    found = [(path, kind.index[word.name]) for word in below for path in pictures_in(word)]
    if any(path.suffix.lower() in SUFFIXES for path in folder.iterdir()):
        files, labels, _ = named(folder, kind)
        found += zip(files, labels.tolist(), strict=True)
    return found


def open_labelled(path: Path, kind: Kind) -> NDArray[np.uint8]:
    """A labelled picture as a tile, uint8 (h, w, 3): what is transparent is white. Raises
    BadTiles."""
    try:
        with Image.open(path) as file:
            picture = file.convert("RGBA" if file.has_transparency_data else "RGB")
        if picture.mode == "RGBA":
            ground = Image.new("RGBA", picture.size, "white")
            picture = Image.alpha_composite(ground, picture).convert("RGB")
        return np.asarray(picture.resize(kind.layout.tile, Image.Resampling.LANCZOS))
    except Exception as error:
        # Pillow's, its decoders' and the system's, which have no common class.
        raise BadTiles(f"{path.name}: {reason(error)}") from None


def labelled(data: Path, kind: Kind) -> Parts:
    """All labelled pictures that can be read; raises BadTiles where there are none."""
    tiles, labels = [], []
    for path, label in labelled_files(data, kind):
        try:
            tiles.append(open_labelled(path, kind))
        except BadTiles:
            # `inventory` names it.
            continue
        labels.append(label)
    for pixels, truth in _read(learned_captchas(data, kind), kind):
        picked = cut_tiles(pixels, kind.layout)
        if truth.known and len(truth.words) == 1:
            tiles += [picked[pick - 1] for pick in truth.picks]
            labels += [kind.index[truth.words[0]]] * len(truth.picks)
    every = [_certain(tiles, labels, kind)] if tiles else []
    if (data / COUNTED).is_file():
        every.append(counted(data / COUNTED, kind))
    if not every:
        raise BadTiles(
            f"{data} has no labelled tiles: tiles/WORD/ with pictures, tiles.npz, or captchas with "
            "an answers.csv"
        )
    return _parted(_numbered(reduce(add, every)))


def headers(data: Path, kind: Kind) -> tuple[NDArray[np.uint8], NDArray[np.int16]]:
    """The headers of captchas whose words are known, of those to learn from: uint8 (n, h, w, 3),
    RGB, and int16 (n, words), the kind's `none` for no word."""
    found, words = [], []
    for pixels, truth in _read(learned_captchas(data, kind), kind):
        if truth.known and 0 < len(truth.words) <= kind.layout.words:
            found.append(cut_header(pixels, kind.layout))
            asked = [kind.index[word] for word in truth.words]
            words.append(asked + [kind.none] * (kind.layout.words - len(asked)))
    shape = (0, *kind.layout.header_shape, 3)
    return (
        np.stack(found) if found else np.zeros(shape, np.uint8),
        np.array(words, np.int16).reshape(-1, kind.layout.words),
    )


def learned_captchas(data: Path, kind: Kind) -> list[Truth]:
    """The folder's own answered captchas but those that are measured or calibrated on."""
    return [truth for truth in _answered(data, kind) if _first_byte(truth) >= 2 * _TENTH]


def measured_captchas(data: Path, kind: Kind) -> list[Truth]:
    """Those of the folder's own answered captchas that nothing is learned from or fitted to."""
    return [truth for truth in _answered(data, kind) if _first_byte(truth) < _TENTH]


def calibrated_captchas(data: Path, kind: Kind) -> list[Truth]:
    """Those that only calibrate."""
    return [truth for truth in _answered(data, kind) if _TENTH <= _first_byte(truth) < 2 * _TENTH]


def _answered(data: Path, kind: Kind) -> list[Truth]:
    known = truths(data, kind) if (data / ANSWERS).is_file() else []
    # Its answers.csv may name what is below it, too, such as the captchas that are only measured.
    return [truth for truth in known if truth.path.parent == data]


def _read(known: Sequence[Truth], kind: Kind) -> Iterator[tuple[NDArray[np.uint8], Truth]]:
    """Those that can be read, with their pixels; `inventory` names the others."""
    for truth in known:
        try:
            yield open_captcha(truth.path, kind), truth
        except BadImage:
            continue


def _first_byte(truth: Truth) -> int:
    return hashlib.sha1(truth.path.read_bytes(), usedforsecurity=False).digest()[0]


def _certain(tiles: Sequence[NDArray[np.uint8]], labels: Sequence[int], kind: Kind) -> Pictures:
    around = [(MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)]
    images = tuple(with_mirror(np.pad(tile, around, mode="reflect")) for tile in tiles)
    truth = certain(np.array(labels), kind)
    return Pictures(images, truth, np.full(len(images), -1), kind.layout.tile)


def _numbered(pictures: Pictures) -> Pictures:
    """With numbers from 1 to 10 in turn for each word, as files of the built-in's kind have."""
    seen = np.zeros(pictures.truth.shape[1] + 1, np.int64)
    numbers = []
    for label in pictures.labels.tolist():
        numbers.append(seen[label] % 10 + 1)
        seen[label] += 1
    return Pictures(pictures.images, pictures.truth, np.array(numbers), pictures.size)


def _parted(pictures: Pictures) -> Parts:
    """By the hash of each tile's pixels, so that the very same picture is in one part only."""
    spared = np.bincount(pictures.labels + 1, minlength=1) < _SPARED
    byte = np.array(
        [
            hashlib.sha1(pictures.tile(each).tobytes(), usedforsecurity=False).digest()[0]
            for each in range(len(pictures))
        ]
    )
    byte[spared[pictures.labels + 1]] = 255
    return Parts(
        pictures.only(byte >= 2 * _TENTH),
        pictures.only((byte >= _TENTH) & (byte < 2 * _TENTH)),
        pictures.only(byte < _TENTH),
    )
