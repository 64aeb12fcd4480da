"""The collections of pictures in a folder of data, and what of them no training sees."""

import csv
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import reduce
from operator import add
from pathlib import Path
from typing import Final

from models.datasets import own
from models.datasets.answers import ANSWERS
from models.datasets.pictures import Pictures
from models.datasets.split import seen, twins, unseen
from models.datasets.tiles import cut, labelled, labelled_in
from models.datasets.truth import Truth, truths
from tilefleet.files import read_file
from tilefleet.kind import BUILTIN, Kind

#: Captchas for measuring alone: nothing is ever trained on, or fitted to, any of them.
MEASURED: Final = "captchas"
#: Captchas that tiles are cut from, but for what is unseen.
LEARNED: Final = ("captchas2016", "captchas2020")
#: The folder's own captchas of another kind than the built-in's that nothing is learned from.
KEPT: Final = "kept"
#: Where captchas come from: a column `file`, and of those of PARTED whatever there is.
_SOURCES: Final = "sources.csv"
_PARTED: Final = {"first_commit": 4, "header": None}


def answered(data: Path, kind: Kind = BUILTIN) -> dict[str, list[Truth]]:
    """The captchas with known words of each collection that is there; of another kind than the
    built-in's only such as nothing is learned from. Raises TilefleetError."""
    if kind != BUILTIN:
        folder = data / MEASURED
        found = {MEASURED: truths(folder, kind)} if (folder / ANSWERS).is_file() else {}
        kept = own.measured_captchas(data, kind)
        return {**found, KEPT: kept} if kept else found
    return {
        name: truths(data / name)
        for name in (MEASURED, *LEARNED)
        if (data / name / ANSWERS).is_file()
    }


def is_unseen(truth: Truth) -> bool:
    """Whether no training sees this captcha."""
    return truth.path.parent.name == MEASURED or unseen(read_file(truth.path))


def parts(captchas: Sequence[Truth]) -> dict[str, list[Truth]]:
    """The captchas of one collection by year and by kind of header, as its sources.csv has them;
    {} without one."""
    file = captchas[0].path.parent / _SOURCES if captchas else None
    if file is None or not file.is_file():
        return {}
    with file.open(encoding="utf-8", newline="") as lines:
        rows = {row["file"]: row for row in csv.DictReader(lines)}
    found: dict[str, list[Truth]] = defaultdict(list)
    for column, length in _PARTED.items():
        for truth in captchas:
            found[rows.get(truth.path.name, {}).get(column, "")[:length]].append(truth)
    return {name: found[name] for name in sorted(found) if name}


def to_learn(data: Path, kind: Kind = BUILTIN) -> tuple[Pictures, Pictures | None]:
    """The tiles that may be trained on, labelled ones and those of captchas (None without any):
    neither what is kept out of every training nor captchas for measuring, nor twins of either.
    Raises BadTiles."""
    if kind != BUILTIN:
        return own.labelled(data, kind).learned, None
    out = _gathered(data, unseen)
    if (data / MEASURED).is_dir():
        out.append(cut(data / MEASURED))
    apart = reduce(add, out)
    first, *others = (each.only(~twins(each, apart)) for each in _gathered(data, seen))
    return first, reduce(add, others) if others else None


def unseen_tiles(data: Path, kind: Kind = BUILTIN) -> Pictures | None:
    """The tiles that are kept out of every training by their hash; None if there are none. Raises
    BadTiles."""
    every = [own.labelled(data, kind).measured] if kind != BUILTIN else _gathered(data, unseen)
    found = [pictures for pictures in every if len(pictures)]
    return reduce(add, found) if found else None


def _gathered(data: Path, chosen: Callable[[bytes], bool]) -> list[Pictures]:
    """Labelled tiles, and those of each collection of captchas, of the files that are chosen."""
    folders = [data / name for name in LEARNED if (data / name).is_dir()]
    return [
        labelled(labelled_in(data), chosen=chosen),
        *(cut(folder, chosen) for folder in folders),
    ]
