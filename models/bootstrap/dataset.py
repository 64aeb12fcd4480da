"""What bootstrapping writes: pictures with labels, in easy12306's format and as a table.

::

    tiles.npz       images (n, h, w, 3) BGR, labels (n, labels) counts: the sure groups, to train on
    labels.csv      every tile: file, tile, group, label (empty: none of the labels), probability
    beliefs.npz     labels (groups, labels), sightings, places: all groups, to review and correct
    pictures.npy    a picture of each group, RGB
    corrections.jsonl   what people said, one line a decision, in their order, each by the file and
                        tile where the group's picture is: another run may number groups otherwise
    unreadable.csv  files that are no captchas, and why
    layout.toml, words.txt  the kind of the captchas, if it is not the built-in's

`tiles.npz` is what ``tilefleet models train`` reads: the format of easy12306
(github.com/zhaipro/easy12306, mlearn.py). A count says how far a label is to be believed: n of
n + 1. It and labels.csv have what people said in them whenever they are written.
"""

import csv
import json
import os
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from models.datasets.counted import write_counted
from models.datasets.kinds import kind_of, write_kind
from tilefleet.errors import BadCollection
from tilefleet.files import atomic_write
from tilefleet.kind import BUILTIN, Kind

TILES: Final = "tiles.npz"
TABLE: Final = "labels.csv"
BELIEFS: Final = "beliefs.npz"
PICTURES: Final = "pictures.npy"
CORRECTIONS: Final = "corrections.jsonl"
UNREADABLE: Final = "unreadable.csv"

#: A group at least this probable goes into tiles.npz.
SURE: Final = 0.8

#: What a reviewer may say instead of a label: a picture of none of the labels.
NOTHING: Final = ""

#: A line of the table: file, tile from 1, group.
_Tile = tuple[str, int, int]


@dataclass(slots=True)
class Dataset:
    """A folder with what was found."""

    folder: Path
    #: float32 (groups, labels).
    labels: NDArray[np.float32]
    #: int32 (groups,): on how many tiles each picture was seen.
    sightings: NDArray[np.int32]
    #: uint8 (groups, h, w, 3), RGB, on disk.
    pictures: NDArray[np.uint8]
    #: Where the pictures are, for each group: file:tile.
    places: tuple[str, ...]
    #: Group → what a person said, a label or NOTHING.
    corrections: dict[int, str]
    #: Of the captchas.
    kind: Kind = BUILTIN

    @classmethod
    def open(cls, folder: Path) -> "Dataset":
        """Raises BadCollection for a folder that was not written by `bootstrap`."""
        try:
            with np.load(folder / BELIEFS, allow_pickle=False) as arrays:
                labels, sightings = arrays["labels"], arrays["sightings"]
                places = tuple(arrays["places"].tolist())
            pictures = np.load(folder / PICTURES, mmap_mode="r")
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise BadCollection(
                f"{folder} is no dataset that tilefleet models bootstrap wrote: {error}"
            ) from None
        if len(labels) != len(pictures) or len(labels) != len(sightings):
            raise BadCollection(
                f"{folder}: {len(labels)} labels, {len(pictures)} pictures, {len(sightings)} counts"
            )
        kind = kind_of(folder)
        corrections = _read_corrections(folder, places, kind)
        return cls(folder, labels, sightings, pictures, places, corrections, kind)

    def __len__(self) -> int:
        return len(self.labels)

    def correct(self, group: int, label: str | None) -> None:
        """Note what a person said, on disk before this returns; the last word counts.

        `label`: one of the labels, NOTHING, or None to take back what was said. Raises OSError.
        """
        line = json.dumps({"place": self.places[group], "label": label}, ensure_ascii=False)
        with (self.folder / CORRECTIONS).open("ab+") as file:
            # A line that a crash cut off must not swallow this one.
            if file.seek(0, os.SEEK_END) and _last_byte(file) != b"\n":
                file.write(b"\n")
            file.write(line.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        _say(self.corrections, group, label)

    def corrected(self) -> NDArray[np.float32]:
        """float32 (groups, labels): with what people said; a row of zeros for NOTHING."""
        labels = self.labels.copy()
        for group, label in self.corrections.items():
            labels[group] = 0
            if label != NOTHING:
                labels[group, self.kind.index[label]] = 1
        return labels

    def export(self) -> int:
        """Write tiles.npz and labels.csv anew, with what people said.

        Returns how many pictures are in tiles.npz. Raises OSError.
        """
        if (self.folder / TABLE).exists():
            self._write_table(_read_tiles(self.folder / TABLE))
        return self._write_tiles()

    def _write_tiles(self) -> int:
        labels = self.corrected()
        sure = np.flatnonzero(labels.max(axis=1) >= SURE)
        write_counted(self.folder / TILES, self.pictures, labels, sure)
        return len(sure)

    def _write_table(self, tiles: Iterable[_Tile]) -> None:
        best, probability = self.labels.argmax(axis=1), self.labels.max(axis=1)
        with atomic_write(self.folder / TABLE, text=True) as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("file", "tile", "group", "label", "probability"))
            for name, tile, group in tiles:
                said = self.corrections.get(group)
                label = self.kind.labels[best[group]] if said is None else said
                sure = probability[group] if said is None else 1.0
                writer.writerow((name, tile, group, label, f"{sure:.4f}"))


def write(
    folder: Path,
    labels: NDArray[np.float32],
    pictures: NDArray[np.uint8],
    *,
    files: tuple[str, ...],
    groups: NDArray[np.int32],
    unreadable: tuple[tuple[str, str], ...],
    kind: Kind = BUILTIN,
) -> Dataset:
    """Write all of it; what people said of an earlier run in `folder` holds.

    `labels`: float32 (groups, labels); `pictures`: what is in folder/pictures.npy; `files`: the
    captchas, and `groups`, int32 (captchas, tiles), which group each of their tiles is in;
    `unreadable`: (file, why); `kind`: of the captchas. Raises OSError.
    """
    flat = groups.ravel()
    sightings = np.bincount(flat, minlength=len(labels)).astype(np.int32)
    tiles = groups.shape[1]
    first = first_places(groups).tolist()
    places = tuple(f"{files[at // tiles]}:{at % tiles + 1}" for at in first)
    write_kind(folder, kind)
    with atomic_write(folder / BELIEFS) as file:
        np.savez(file, labels=labels, sightings=sightings, places=np.array(places))
    with atomic_write(folder / UNREADABLE, text=True) as file:
        csv.writer(file, lineterminator="\n").writerows([("file", "why"), *unreadable])
    corrections = _read_corrections(folder, places, kind)
    dataset = Dataset(folder, labels, sightings, pictures, places, corrections, kind)
    dataset._write_table(
        (name, tile, group)
        for name, row in zip(files, groups.tolist(), strict=True)
        for tile, group in enumerate(row, 1)
    )
    dataset._write_tiles()
    return dataset


def first_places(groups: NDArray[np.int32]) -> NDArray[np.int64]:
    """Of int32 (captchas, tiles): the flat index of each group's first tile, int64 (groups,)."""
    return np.unique(groups.ravel(), return_index=True)[1]


def _read_tiles(table: Path) -> Iterator[_Tile]:
    with table.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield row["file"], int(row["tile"]), int(row["group"])


def _read_corrections(folder: Path, places: tuple[str, ...], kind: Kind) -> dict[int, str]:
    """The last word on each group; a line that was cut off by a crash is left out."""
    path = folder / CORRECTIONS
    if not path.exists():
        return {}
    corrections: dict[int, str] = {}
    groups = {place: group for group, place in enumerate(places)}
    # As bytes: what was cut off may end within a character.
    for line in path.read_bytes().split(b"\n"):
        try:
            said = json.loads(line)
            group, label = groups[said["place"]], said["label"]
        except (ValueError, KeyError, TypeError):
            continue
        if label is None or label == NOTHING or label in kind.index:
            _say(corrections, group, label)
    return corrections


def _say(corrections: dict[int, str], group: int, label: str | None) -> None:
    if label is None:
        corrections.pop(group, None)
    else:
        corrections[group] = label


def _last_byte(file: BinaryIO) -> bytes:
    file.seek(-1, os.SEEK_END)
    return file.read(1)
