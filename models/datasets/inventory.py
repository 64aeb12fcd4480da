"""What a folder of data has to learn from, looked at before a training: every file is opened once.

What is found names a training's state, too: of other files, another training (`training.claims`).
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.datasets import photographs
from models.datasets.answers import ANSWERS, Answers
from models.datasets.collections import LEARNED, MEASURED
from models.datasets.counted import counted
from models.datasets.tiles import labelled_in, named, open_captcha, open_tile
from tilefleet.errors import BadCollection, TilefleetError, reason
from tilefleet.kind import BUILTIN, Kind

#: Labelled pictures of a class below which a training says so.
FEW: Final = 5
#: Names in a line; the others are counted.
_NAMED: Final = 8


@dataclass(frozen=True, slots=True)
class Source:
    """One kind of pictures in a folder of data."""

    #: Those that can be read.
    pictures: int
    #: Of all files' names and contents, hexadecimal.
    sha256: str
    #: (file, why) of those that cannot.
    unreadable: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        bad = f", {len(self.unreadable)} unreadable" if self.unreadable else ""
        return f"{self.pictures:,} pictures{bad} ({self.sha256[:8]})"


@dataclass(frozen=True, slots=True)
class Inventory:
    """What there is to learn from."""

    #: By the file or folder below the data.
    sources: Mapping[str, Source]
    #: int64 (labels,): labelled pictures of each class.
    labelled: NDArray[np.int64]
    kind: Kind = BUILTIN
    #: Lines about the words.
    said: tuple[str, ...] = ()

    @property
    def few(self) -> dict[str, int]:
        """Classes with fewer than `FEW` labelled pictures → how many they have."""
        return {
            label: int(count)
            for label, count in zip(self.kind.labels, self.labelled, strict=True)
            if count < FEW
        }

    def lines(self) -> list[str]:
        """For people: the sources, what is unreadable, and the classes."""
        lines = [f"{name}: {source}" for name, source in self.sources.items()]
        lines += [
            f"unreadable, and left out: {name}/{file}: {why}"
            for name, source in self.sources.items()
            for file, why in source.unreadable[:_NAMED]
        ]
        if more := sum(len(source.unreadable[_NAMED:]) for source in self.sources.values()):
            lines.append(f"unreadable, and left out: {more} more")
        lines += self.said
        if not self.labelled.any():
            return lines
        some = np.sort(self.labelled)
        lines.append(
            f"labelled pictures of a class: {some[0]} to {some[-1]}, "
            f"of half of the {len(some)} classes {some[len(some) // 2]} or more"
        )
        if self.few:
            lines.append(f"too few to learn from (fewer than {FEW}): {listed(self.few)}")
        return lines


def look(data: Path, tick: Callable[[int, int], None] = lambda done, of: None) -> Inventory:
    """Open all that is learned from and measured on in `data`.

    `tick` is told how many files are done, and of how many. Raises BadTiles without labelled
    pictures, BadAnswers for an answers.csv that cannot be understood, and BadCollection for one
    that names files that are not there.
    """
    tiles = labelled_in(data)
    collections = {
        name: sorted(path for path in (data / name).glob("*.jpg") if path.is_file())
        for name in (MEASURED, *LEARNED)
        if (data / name).is_dir()
    }
    for name in collections:
        check_answers(data / name)
    labels = np.zeros(len(BUILTIN.labels), np.int64)
    total = sum(map(len, collections.values()))
    sources: dict[str, Source] = {}
    done = 0

    def tell(before: int, now: int) -> None:
        tick(before + now, total)

    if tiles.suffix == ".npz":
        known = counted(tiles).labels
        np.add.at(labels, known[known >= 0], 1)
        sources[tiles.name] = Source(len(known), digest([tiles]))
    else:
        files, classes, _ = named(tiles)
        total += len(files)
        bad = unread(files, open_tile, partial(tell, 0))
        unreadable = {name for name, _ in bad}
        readable = np.array([path.name not in unreadable for path in files])
        np.add.at(labels, classes[readable], 1)
        sources[tiles.name] = Source(int(readable.sum()), digest(files), bad)
        done += len(files)
    for name, files in collections.items():
        bad = unread(files, open_captcha, partial(tell, done))
        done += len(files)
        answers = data / name / ANSWERS
        beside = [answers] if answers.is_file() else []
        sources[name] = Source(len(files) - len(bad), digest([*files, *beside]), bad)
    if (data / photographs.FILENAME).is_file():
        count = photographs.count(data / photographs.FILENAME)
        sources[photographs.FILENAME] = Source(count, digest([data / photographs.FILENAME]))
    return Inventory(sources, labels)


def check_answers(folder: Path, kind: Kind = BUILTIN) -> None:
    """Raise BadAnswers for an answers.csv that cannot be understood, BadCollection for one that
    names files that are not there."""
    if not (folder / ANSWERS).is_file():
        return
    answers = Answers.read(folder / ANSWERS, tiles=kind.layout.count)
    missing = [file for file in answers.known if not (folder / file).is_file()]
    if missing:
        raise BadCollection(
            f"{folder / ANSWERS} names {len(missing)} files that are not there: "
            f"{', '.join(missing[:_NAMED])}"
        )


def unread(
    files: Iterable[Path],
    opened: Callable[[Path], object],
    tick: Callable[[int], None],
    named: Callable[[Path], str] = lambda path: path.name,
) -> tuple[tuple[str, str], ...]:
    """Those of the files that cannot be opened, and why; `tick` is told how many are done."""
    found = []
    for done, path in enumerate(files, 1):
        try:
            opened(path)
        except TilefleetError as error:
            found.append((named(path), str(error)))
        except OSError as error:
            found.append((named(path), reason(error)))
        tick(done)
    return tuple(found)


def digest(files: Iterable[Path]) -> str:
    """Of all files' names and contents, hexadecimal."""
    whole = hashlib.sha256()
    for path in sorted(files):
        with path.open("rb") as file:
            own = hashlib.file_digest(file, "sha256").hexdigest()
        whole.update(f"{path.name} {own}\n".encode())
    return whole.hexdigest()


def listed(few: Mapping[str, int]) -> str:
    """``cup 3, tree none, and 4 more classes``"""
    shown = [f"{label} {count or 'none'}" for label, count in [*few.items()][:_NAMED]]
    more = len(few) - len(shown)
    return ", ".join(shown) + (f", and {more} more classes" if more else "")
