"""What a folder of data of a kind of its own has to learn from, looked at before a training."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from models.datasets import own
from models.datasets.answers import ANSWERS
from models.datasets.collections import MEASURED
from models.datasets.counted import counted
from models.datasets.inventory import FEW, Inventory, Source, check_answers, digest, listed, unread
from models.datasets.tiles import open_captcha
from models.datasets.truth import truths
from tilefleet.errors import BadTiles
from tilefleet.kind import Kind

#: What the folder's own captchas are called.
HERE: Final = "captchas in it"
_NAMED: Final = 8


def look(
    data: Path,
    kind: Kind,
    *,
    tiles: bool = True,
    few: bool = False,
    tick: Callable[[int, int], None] = lambda done, of: None,
) -> Inventory:
    """Open all that is learned from and measured on in `data`, of that kind.

    `tiles`: whether some are to be learned from; `few`: also where words have too few of them.
    `tick` is told how many files are done, and of how many. Raises BadTiles for labels that are no
    words and for words with too few pictures, BadAnswers and BadCollection.
    """
    captchas = {HERE: own.pictures_in(data)}
    if (data / MEASURED).is_dir():
        captchas[MEASURED] = own.pictures_in(data / MEASURED)
    folders = {HERE: data, MEASURED: data / MEASURED}
    for name in captchas:
        check_answers(folders[name], kind)
    files = own.labelled_files(data, kind)
    total = sum(map(len, captchas.values())) + len(files)
    labels = np.zeros(len(kind.labels), np.int64)
    sources: dict[str, Source] = {}
    done = 0

    def tell(before: int, now: int) -> None:
        tick(before + now, total)

    if files:
        paths = [path for path, _ in files]
        opened = partial(own.open_labelled, kind=kind)
        bad = unread(paths, opened, partial(tell, done), _below)
        names = {name for name, _ in bad}
        for path, label in files:
            labels[label] += _below(path) not in names
        sources[own.TILES] = Source(len(paths) - len(bad), _digest(files, kind), bad)
        done += len(paths)
    if (data / own.COUNTED).is_file():
        known = counted(data / own.COUNTED, kind).labels
        np.add.at(labels, known[known >= 0], 1)
        sources[own.COUNTED] = Source(len(known), digest([data / own.COUNTED]))
    for name, paths in captchas.items():
        if not paths:
            continue
        bad = unread(paths, partial(open_captcha, kind=kind), partial(tell, done))
        done += len(paths)
        answers = folders[name] / ANSWERS
        beside = [answers] if answers.is_file() else []
        sources[name] = Source(len(paths) - len(bad), digest([*paths, *beside]), bad)
        if name == HERE:
            unreadable = {each for each, _ in bad}
            for truth in own.learned_captchas(data, kind):
                if truth.known and len(truth.words) == 1 and truth.path.name not in unreadable:
                    labels[kind.index[truth.words[0]]] += len(truth.picks)
    found = Inventory(sources, labels, kind, tuple(_strange(data, kind)))
    if tiles and not few and found.few:
        raise BadTiles(
            f"{data}: of {len(kind.labels)} words {len(found.few)} have fewer than {FEW} pictures: "
            f"{listed(found.few)}; --few learns from what there is"
        )
    return found


def _below(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _digest(files: Sequence[tuple[Path, int]], kind: Kind) -> str:
    """Of all contents, with their words."""
    whole = hashlib.sha256()
    for path, label in files:
        own_hash = hashlib.sha256(path.read_bytes()).hexdigest()
        whole.update(f"{kind.labels[label]}/{path.name} {own_hash}\n".encode())
    return whole.hexdigest()


def _strange(data: Path, kind: Kind) -> list[str]:
    """A line for captchas that ask for what is none of the words."""
    if not (data / ANSWERS).is_file():
        return []
    strange: Mapping[str, None] = {
        word: None for truth in truths(data, kind) for word in truth.words if word not in kind.index
    }
    if not strange:
        return []
    more = f" and {len(strange) - _NAMED} more" if len(strange) > _NAMED else ""
    return [f"{ANSWERS} asks for what is no word: {', '.join([*strange][:_NAMED])}{more}"]
