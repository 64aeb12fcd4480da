"""Collections in easy12306's format: tiles, and how often each was taken for each label.

github.com/zhaipro/easy12306, mlearn.py
"""

import zipfile
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.datasets.pictures import MARGIN, Pictures, with_mirror
from tilefleet.errors import BadTiles
from tilefleet.files import atomic_write
from tilefleet.kind import BUILTIN, Kind

#: The counts of a picture whose label is certain.
_COUNTS: Final = 20
_AT_ONCE: Final = 2_000


def counted(file: Path, kind: Kind = BUILTIN) -> Pictures:
    """A collection in easy12306's format; raises BadTiles.

    `images` is uint8 (n, h, w, 3) in BGR, `labels` (n, labels) counts how often a picture was taken
    for each label. A row of counts becomes its shares, believed as far as n of n + 1 observations
    are; one without counts shows what is not known.
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
