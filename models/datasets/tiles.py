"""Tile pictures to learn from: labelled files, collections with counts, captchas, drawn ones.

Every picture has the tile in the middle and a margin that a shifted or turned view may show.
"""

import re
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.datasets.answers import ANSWERS
from models.datasets.truth import truths
from models.recognition.image import decode
from tilefleet.errors import BadImage, BadTiles, reason
from tilefleet.files import atomic_write
from tilefleet.kind import BUILTIN, Kind

#: Pixels around the tile in a labelled file, and in what is cut from a captcha.
MARGIN = 3
#: Further pixels around those, mirrored from inside.
MIRRORED = 16
#: The counts of a picture whose label is certain.
_COUNTS: Final = 20
_AT_ONCE: Final = 2_000
_SUFFIXES = {".jpg", ".jpeg", ".png"}
_MAX_CAPTCHA_BYTES = 1 << 20


#: Class of a picture whose label is not known, or that shows none of the labels.
UNKNOWN = -1


@dataclass(frozen=True, slots=True)
class Pictures:
    """Pictures, and what is known of each one's label."""

    #: RGB(A), the tile in the middle.
    images: tuple[Image.Image, ...]
    #: float32 (n, labels): probability of each label; a row sums to how far it is to be believed,
    #: from 0 (nothing is known) to 1 (certain). All labels alike: it shows none of them.
    truth: NDArray[np.float32]
    #: int64 (n,): the number after the label in the file's name; -1 without one.
    numbers: NDArray[np.int64]
    #: Width and height of the tile in the middle.
    size: tuple[int, int] = BUILTIN.layout.tile

    def __len__(self) -> int:
        return len(self.images)

    @property
    def labels(self) -> NDArray[np.int64]:
        """int64 (n,): the most probable class, UNKNOWN where none is."""
        decided = self.truth.max(axis=1) > self.truth.min(axis=1)
        return np.where(decided, self.truth.argmax(axis=1), UNKNOWN)

    def only(self, chosen: NDArray[np.bool_]) -> "Pictures":
        indices = np.flatnonzero(chosen)
        return Pictures(
            tuple(self.images[index] for index in indices),
            self.truth[indices],
            self.numbers[indices],
            self.size,
        )

    def __add__(self, other: "Pictures") -> "Pictures":
        return Pictures(
            self.images + other.images,
            np.concatenate([self.truth, other.truth]),
            np.concatenate([self.numbers, other.numbers]),
            self.size,
        )

    def tile(self, index: int) -> NDArray[np.uint8]:
        """One plain tile, uint8 (h, w, 3)."""
        return _middle(self.images[index], self.size)

    def tiles(self) -> NDArray[np.uint8]:
        """The plain tiles, uint8 (n, h, w, 3)."""
        return np.stack([self.tile(index) for index in range(len(self))])


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
        taken = np.array([chosen(path.read_bytes()) for path in files])
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
    return decode(path.read_bytes(), kind.layout, max_bytes=_MAX_CAPTCHA_BYTES)


def counted(file: Path, kind: Kind = BUILTIN) -> Pictures:
    """A collection in easy12306's format; raises BadTiles.

    `images` is uint8 (n, h, w, 3) in BGR, `labels` (n, labels) counts how often a picture was taken
    for each label. A row of counts becomes its shares, believed as far as n of n + 1 observations
    are; one without counts shows what is not known. (github.com/zhaipro/easy12306, mlearn.py)
    """
    try:
        with np.load(file, allow_pickle=False) as arrays:
            images, counts = arrays["images"], arrays["labels"]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise BadTiles(f"{file}: {error}") from None
    wanted = (len(images), *kind.layout.tile_shape, 3), (len(images), len(kind.labels))
    if (images.shape, counts.shape) != wanted or images.dtype != np.uint8:
        raise BadTiles(
            f"{file} has images {images.dtype} {images.shape} and labels {counts.shape}; "
            f"expected uint8 {wanted[0]} and {wanted[1]}"
        )
    if len(images) == 0 or not np.all(np.isfinite(counts)) or counts.min() < 0:
        raise BadTiles(f"{file} has {len(images)} pictures with counts that are no counts")
    seen = counts.sum(axis=1, keepdims=True, dtype=np.float32)
    pixels = np.pad(images[..., ::-1], [(0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)], "edge")
    truth: NDArray[np.float32] = (counts / (seen + 1)).astype(np.float32)
    return Pictures(
        tuple(map(with_mirror, pixels)), truth, np.full(len(images), -1), kind.layout.tile
    )


def _each(chosen: Callable[[bytes], bool], pictures: Pictures) -> NDArray[np.bool_]:
    return np.array([chosen(pictures.tile(each).tobytes()) for each in range(len(pictures))])


def write_counted(
    path: Path,
    pictures: NDArray[np.uint8],
    labels: NDArray[np.float32],
    chosen: NDArray[np.int64],
) -> None:
    """easy12306's format, all or nothing, and without holding all the pictures at once.

    `pictures`: uint8 (groups, h, w, 3), RGB; `labels`: float32 (groups, labels); `chosen`: int64,
    the groups to write. Raises OSError.
    """
    counts = np.rint(labels[chosen] * _COUNTS).astype(np.uint8)
    with atomic_write(path) as whole, zipfile.ZipFile(whole, "w") as archive:
        with archive.open("labels.npy", "w") as file:
            np.lib.format.write_array(file, counts)
        with archive.open("images.npy", "w", force_zip64=True) as file:
            header: dict[str, Any] = {
                "descr": "|u1",
                "fortran_order": False,
                "shape": (len(chosen), *pictures.shape[1:]),
            }
            np.lib.format.write_array_header_1_0(file, header)
            for start in range(0, len(chosen), _AT_ONCE):
                part = np.asarray(pictures[chosen[start : start + _AT_ONCE]])
                file.write(np.ascontiguousarray(part[..., ::-1]).tobytes())


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
        captcha = path.read_bytes()
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


def certain(labels: NDArray[np.int64], kind: Kind) -> NDArray[np.float32]:
    """Of int64 (n,): float32 (n, labels), each picture's own label certain."""
    return np.eye(len(kind.labels), dtype=np.float32)[labels]


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


def with_mirror(pixels: NDArray[np.uint8]) -> Image.Image:
    """A picture, uint8 (h, w, 3), with `MIRRORED` further pixels on each side."""
    width = (MIRRORED, MIRRORED)
    return Image.fromarray(np.pad(pixels, [width, width, (0, 0)], mode="reflect"))


def _middle(image: Image.Image, size: tuple[int, int]) -> NDArray[np.uint8]:
    width, height = size
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return np.asarray(image.convert("RGB").crop((left, top, left + width, top + height)))
