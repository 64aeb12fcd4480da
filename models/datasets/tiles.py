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

from models.datasets.truth import ANSWERS, truths
from models.recognition.image import decode
from tilefleet.errors import BadImage, BadTiles, reason
from tilefleet.files import atomic_write
from tilefleet.geometry import TILE, TILE_XS, TILE_YS
from tilefleet.labels import LABELS

#: Pixels around the 67×67 tile in a labelled file, and in what is cut from a captcha.
MARGIN = 3
#: Further pixels around those, mirrored from inside.
MIRRORED = 16
#: The counts of a picture whose label is certain.
_COUNTS: Final = 20
_AT_ONCE: Final = 2_000
_SUFFIXES = {".jpg", ".jpeg", ".png"}
_MAX_CAPTCHA_BYTES = 1 << 20


#: Class of a picture whose label is not known, or that shows nothing of the 80.
UNKNOWN = -1


@dataclass(frozen=True, slots=True)
class Pictures:
    """Pictures, and what is known of each one's label."""

    #: RGB(A), square, the tile in the middle.
    images: tuple[Image.Image, ...]
    #: float32 (n, 80): probability of each label; a row sums to how far it is to be believed,
    #: from 0 (nothing is known) to 1 (certain). All labels alike: it shows none of them.
    truth: NDArray[np.float32]
    #: int64 (n,): the number after the label in the file's name; -1 without one.
    numbers: NDArray[np.int64]

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
        )

    def __add__(self, other: "Pictures") -> "Pictures":
        return Pictures(
            self.images + other.images,
            np.concatenate([self.truth, other.truth]),
            np.concatenate([self.numbers, other.numbers]),
        )

    def tile(self, index: int) -> NDArray[np.uint8]:
        """One plain tile, uint8 (67, 67, 3)."""
        return _middle(self.images[index])

    def tiles(self) -> NDArray[np.uint8]:
        """The plain tiles, uint8 (n, 67, 67, 3)."""
        return np.stack([self.tile(index) for index in range(len(self))])


def labelled_in(data: Path) -> Path:
    """The labelled tiles of a folder: its tiles/, else its tiles.npz (of `models bootstrap`).

    Raises BadTiles.
    """
    for source in (data / "tiles", data / "tiles.npz"):
        if source.exists():
            return source
    raise BadTiles(f"{data} has neither tiles/ nor tiles.npz with labelled pictures")


def labelled(source: Path, chosen: Callable[[bytes], bool] | None = None) -> Pictures:
    """A folder of files named LL_KK.jpg, LL being the class, of about 73×73 pixels; or an .npz
    file (see `counted`). Raises BadTiles.

    `chosen`: says of a file's bytes (in an .npz file, of a picture's) whether it is taken.
    """
    if source.suffix == ".npz":
        every = counted(source)
        return every if chosen is None else every.only(_each(chosen, every))
    files, labels, numbers = named(source)
    if chosen is not None:
        taken = np.array([chosen(path.read_bytes()) for path in files])
        files = [path for path, take in zip(files, taken, strict=True) if take]
        labels, numbers = labels[taken], numbers[taken]
    images, readable = [], []
    for index, path in enumerate(files):
        # `inventory` names those that are left out.
        with suppress(BadTiles):
            images.append(with_mirror(_to_side(open_tile(path), TILE + 2 * MARGIN)))
            readable.append(index)
    if files and not images:
        raise BadTiles(f"{source}: none of its {len(files)} pictures can be read")
    return Pictures(tuple(images), _certain(labels[readable]), numbers[readable])


def open_tile(path: Path) -> NDArray[np.uint8]:
    """The pixels of a labelled picture, RGB; raises BadTiles."""
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except Exception as error:
        # Pillow's, its decoders' and the system's, which have no common class.
        raise BadTiles(f"{path.name}: {reason(error)}") from None


def open_captcha(path: Path) -> NDArray[np.uint8]:
    """The pixels of a captcha's file, RGB; raises BadImage."""
    return decode(path.read_bytes(), max_bytes=_MAX_CAPTCHA_BYTES)


def counted(file: Path) -> Pictures:
    """A collection in easy12306's format; raises BadTiles.

    `images` is uint8 (n, 67, 67, 3) in BGR, `labels` (n, 80) counts how often a picture was taken
    for each label. A row of counts becomes its shares, believed as far as n of n + 1 observations
    are; one without counts shows what is not known. (github.com/zhaipro/easy12306, mlearn.py)
    """
    try:
        with np.load(file, allow_pickle=False) as arrays:
            images, counts = arrays["images"], arrays["labels"]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise BadTiles(f"{file}: {error}") from None
    wanted = (len(images), TILE, TILE, 3), (len(images), len(LABELS))
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
    return Pictures(tuple(map(with_mirror, pixels)), truth, np.full(len(images), -1))


def _each(chosen: Callable[[bytes], bool], pictures: Pictures) -> NDArray[np.bool_]:
    return np.array([chosen(pictures.tile(each).tobytes()) for each in range(len(pictures))])


def write_counted(
    path: Path,
    pictures: NDArray[np.uint8],
    labels: NDArray[np.float32],
    chosen: NDArray[np.int64],
) -> None:
    """easy12306's format, all or nothing, and without holding all the pictures at once.

    `pictures`: uint8 (groups, 67, 67, 3), RGB; `labels`: float32 (groups, 80); `chosen`: int64, the
    groups to write. Raises OSError.
    """
    counts = np.rint(labels[chosen] * _COUNTS).astype(np.uint8)
    with atomic_write(path) as whole, zipfile.ZipFile(whole, "w") as archive:
        with archive.open("labels.npy", "w") as file:
            np.lib.format.write_array(file, counts)
        with archive.open("images.npy", "w", force_zip64=True) as file:
            header: dict[str, Any] = {
                "descr": "|u1",
                "fortran_order": False,
                "shape": (len(chosen), TILE, TILE, 3),
            }
            np.lib.format.write_array_header_1_0(file, header)
            for start in range(0, len(chosen), _AT_ONCE):
                part = np.asarray(pictures[chosen[start : start + _AT_ONCE]])
                file.write(np.ascontiguousarray(part[..., ::-1]).tobytes())


def drawn(folder: Path) -> Pictures:
    """Files named LL_KK.png of any size, which may be transparent; they fill the whole tile."""
    files, labels, numbers = named(folder)
    images = []
    for path in files:
        with Image.open(path) as image:
            small = image.convert("RGBA").resize((TILE, TILE), Image.Resampling.LANCZOS)
        images.append(small)
    return Pictures(tuple(images), _certain(labels), numbers)


def cut(folder: Path, chosen: Callable[[bytes], bool] | None = None) -> Pictures:
    """The eight tiles of every captcha of a folder that can be read; raises BadTiles.

    `chosen`: says of a file's bytes whether it is taken; all are without it.
    Nothing is known of them, but for those that are the right answer to a word outside the 80
    (where the folder has an answers.csv): they show none of the labels.
    """
    strange = _strange(folder) if (folder / ANSWERS).is_file() else {}
    images, known = [], []
    files = sorted(folder.glob("*.jpg"))
    if not files:
        raise BadTiles(f"{folder} has no captchas (*.jpg)")
    for path in files:
        captcha = path.read_bytes()
        if chosen is not None and not chosen(captcha):
            continue
        try:
            pixels = decode(captcha, max_bytes=_MAX_CAPTCHA_BYTES)
        except BadImage:
            # `inventory` names it.
            continue
        for number, (y, x) in enumerate(((y, x) for y in TILE_YS for x in TILE_XS), 1):
            rows = slice(y - MARGIN, y + TILE + MARGIN)
            columns = slice(x - MARGIN, x + TILE + MARGIN)
            images.append(with_mirror(pixels[rows, columns]))
            none = number in strange.get(path.name, ())
            known.append(np.full(len(LABELS), none / len(LABELS), np.float32))
    truth = np.stack(known) if known else np.zeros((0, len(LABELS)), np.float32)
    return Pictures(tuple(images), truth, np.full(len(images), -1))


def _strange(folder: Path) -> dict[str, Sequence[int]]:
    """Captcha → the tiles that its words outside the 80 ask for; not where a label says the same
    (球拍, a bat, is in 网球拍, a tennis bat)."""
    return {
        truth.path.name: truth.picks
        for truth in truths(folder)
        if not any(word in label for word in truth.words for label in LABELS)
    }


def _certain(labels: NDArray[np.int64]) -> NDArray[np.float32]:
    return np.eye(len(LABELS), dtype=np.float32)[labels]


def named(folder: Path) -> tuple[list[Path], NDArray[np.int64], NDArray[np.int64]]:
    """The pictures of a folder that are named LL_KK: files, int64 (n,) LL and KK (-1 without one).

    Raises BadTiles.
    """
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


def with_mirror(pixels: NDArray[np.uint8]) -> Image.Image:
    width = (MIRRORED, MIRRORED)
    return Image.fromarray(np.pad(pixels, [width, width, (0, 0)], mode="reflect"))


def _middle(image: Image.Image) -> NDArray[np.uint8]:
    left = (image.width - TILE) // 2
    cut = image.convert("RGB").crop((left, left, left + TILE, left + TILE))
    return np.asarray(cut)
