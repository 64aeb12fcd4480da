"""Pictures to learn from, and what is known of each one's label.

Every picture has the tile in the middle and a margin that a shifted or turned view may show.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tilefleet.kind import BUILTIN, Kind

#: Pixels around the tile in a labelled file, and in what is cut from a captcha.
MARGIN = 3
#: Further pixels around those, mirrored from inside.
MIRRORED = 16
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


def certain(labels: NDArray[np.int64], kind: Kind) -> NDArray[np.float32]:
    """Of int64 (n,): float32 (n, labels), each picture's own label certain."""
    return np.eye(len(kind.labels), dtype=np.float32)[labels]


def with_mirror(pixels: NDArray[np.uint8]) -> Image.Image:
    """A picture, uint8 (h, w, 3), with `MIRRORED` further pixels on each side."""
    width = (MIRRORED, MIRRORED)
    return Image.fromarray(np.pad(pixels, [width, width, (0, 0)], mode="reflect"))


def _middle(image: Image.Image, size: tuple[int, int]) -> NDArray[np.uint8]:
    width, height = size
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return np.asarray(image.convert("RGB").crop((left, top, left + width, top + height)))
