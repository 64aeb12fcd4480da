"""Tiles to learn from: labelled files, those of captchas, drawn ones."""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.datasets.answers import ANSWERS
from models.datasets.counted import counted
from models.datasets.pictures import MARGIN, Pictures, certain, with_mirror
from models.datasets.truth import truths
from models.recognition.image import decode
from tilefleet.errors import BadImage, BadTiles, reason
from tilefleet.files import read_file
from tilefleet.kind import BUILTIN, Kind

_SUFFIXES = {".jpg", ".jpeg", ".png"}
_MAX_CAPTCHA_BYTES = 1 << 20


def labelled_in(data: Path) -> Path:
    """The labelled tiles of a folder: its tiles/, else its tiles.npz (of `models bootstrap`).

    Raises BadTiles.
    """
    for source in (data / "tiles", data / "tiles.npz"):
        if source.exists():
            return source
    raise BadTiles(f"{data} has neither tiles/ nor tiles.npz with labelled pictures")


def labelled(
    source: Path, kind: Kind = BUILTIN, chosen: Callable[[bytes], bool] | None = None
) -> Pictures:
    """A folder of files named LL_KK.jpg, LL being the class, a tile with `MARGIN` around it; or an
    .npz file (see `counted`). Raises BadTiles.

    `chosen`: says of a file's bytes (in an .npz file, of a picture's) whether it is taken.
    """
    if source.suffix == ".npz":
        every = counted(source, kind)
        return every if chosen is None else every.only(_each(chosen, every))
    files, labels, numbers = named(source, kind)
    if chosen is not None:
        taken = np.array([chosen(read_file(path)) for path in files])
        files = [path for path, take in zip(files, taken, strict=True) if take]
        labels, numbers = labels[taken], numbers[taken]
    width, height = kind.layout.tile
    images, readable = [], []
    for index, path in enumerate(files):
        # `inventory` names those that are left out.
        with suppress(BadTiles):
            pixels = _to_size(open_tile(path), width + 2 * MARGIN, height + 2 * MARGIN)
            images.append(with_mirror(pixels))
            readable.append(index)
    if files and not images:
        raise BadTiles(f"{source}: none of its {len(files)} pictures can be read")
    truth = certain(labels[readable], kind)
    return Pictures(tuple(images), truth, numbers[readable], kind.layout.tile)


def open_tile(path: Path) -> NDArray[np.uint8]:
    """The pixels of a labelled picture, RGB; raises BadTiles."""
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except Exception as error:
        # Pillow's, its decoders' and the system's, which have no common class.
        raise BadTiles(f"{path.name}: {reason(error)}") from None


def open_captcha(path: Path, kind: Kind = BUILTIN) -> NDArray[np.uint8]:
    """The pixels of a captcha's file, RGB; raises BadImage."""
    return decode(read_file(path), kind.layout, max_bytes=_MAX_CAPTCHA_BYTES)


def _each(chosen: Callable[[bytes], bool], pictures: Pictures) -> NDArray[np.bool_]:
    return np.array([chosen(pictures.tile(each).tobytes()) for each in range(len(pictures))])


def drawn(folder: Path, kind: Kind = BUILTIN) -> Pictures:
    """Files named LL_KK.png of any size, which may be transparent; they fill the whole tile."""
    files, labels, numbers = named(folder, kind)
    images = []
    for path in files:
        with Image.open(path) as image:
            small = image.convert("RGBA").resize(kind.layout.tile, Image.Resampling.LANCZOS)
        images.append(small)
    return Pictures(tuple(images), certain(labels, kind), numbers, kind.layout.tile)


def cut(
    folder: Path, chosen: Callable[[bytes], bool] | None = None, kind: Kind = BUILTIN
) -> Pictures:
    """The tiles of every captcha of a folder that can be read; raises BadTiles.

    `chosen`: says of a file's bytes whether it is taken; all are without it.
    Nothing is known of them, but for those that are the right answer to a word that is no label
    (where the folder has an answers.csv): they show none of the labels.
    """
    strange = _strange(folder, kind) if (folder / ANSWERS).is_file() else {}
    images, known = [], []
    files = sorted(folder.glob("*.jpg"))
    if not files:
        raise BadTiles(f"{folder} has no captchas (*.jpg)")
    for path in files:
        captcha = read_file(path)
        if chosen is not None and not chosen(captcha):
            continue
        try:
            pixels = decode(captcha, kind.layout, max_bytes=_MAX_CAPTCHA_BYTES)
        except BadImage:
            # `inventory` names it.
            continue
        width, height = kind.layout.tile
        for number, (x, y) in enumerate(kind.layout.corners, 1):
            rows = slice(y - MARGIN, y + height + MARGIN)
            columns = slice(x - MARGIN, x + width + MARGIN)
            images.append(with_mirror(pixels[rows, columns]))
            none = number in strange.get(path.name, ())
            known.append(np.full(len(kind.labels), none / len(kind.labels), np.float32))
    truth = np.stack(known) if known else np.zeros((0, len(kind.labels)), np.float32)
    return Pictures(tuple(images), truth, np.full(len(images), -1), kind.layout.tile)


def _strange(folder: Path, kind: Kind) -> dict[str, Sequence[int]]:
    """Captcha → the tiles that its words ask for that are no labels; not where a label says the
    same (球拍, a bat, is in 网球拍, a tennis bat)."""
    return {
        truth.path.name: truth.picks
        for truth in truths(folder, kind)
        if not any(word in label for word in truth.words for label in kind.labels)
    }


def named(
    folder: Path, kind: Kind = BUILTIN
) -> tuple[list[Path], NDArray[np.int64], NDArray[np.int64]]:
    """The pictures of a folder that are named LL_KK: files, int64 (n,) LL and KK (-1 without one).

    Raises BadTiles.
    """
    found = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        name = re.fullmatch(r"(\d{2,4})(?:_(\d+))?", path.stem)
        if path.suffix.lower() in _SUFFIXES and name and int(name[1]) < len(kind.labels):
            found.append((path, int(name[1]), int(name[2] or -1)))
    if not found:
        last = len(kind.labels) - 1
        raise BadTiles(f"{folder} has no pictures named LL_KK.jpg or .png, LL from 00 to {last}")
    files, labels, numbers = zip(*found, strict=True)
    return list(files), np.array(labels), np.array(numbers)


def _to_size(pixels: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Cut or repeat the last row and column until it has so many."""
    missing = [(0, max(0, height - pixels.shape[0])), (0, max(0, width - pixels.shape[1]))]
    return np.pad(pixels, [*missing, (0, 0)], mode="edge")[:height, :width]
