"""A folder of captchas of a kind of one's own, before anything is learned: ``models new``."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.datasets import own
from models.datasets.answers import ANSWERS, Answer, Answers
from models.datasets.collections import MEASURED
from models.datasets.kinds import LAYOUT, WORDS, can_be_word, read_layout, read_words
from models.datasets.tiles import open_tile
from models.recognition.propose import propose
from tilefleet.errors import BadCollection, BadTiles
from tilefleet.kind import Kind
from tilefleet.layout import Layout

#: Pictures that are looked at, at most.
_MOST: Final = 60
_NAMED: Final = 4


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a folder of captchas is of."""

    layout: Layout
    #: Shares of `tiles_per_word`, or () where nothing says them.
    shares: tuple[float, ...]
    words: tuple[str, ...]
    #: Whether these were read from layout.toml and from words.txt.
    given: tuple[bool, bool]
    #: A captcha to draw the layout onto, and how many there are.
    sample: Path
    count: int


def look(folder: Path, like: Kind | None = None) -> Beginning:
    """Look at the captchas of `folder` (or those in its captchas/, if it has none itself).

    What layout.toml and words.txt say holds; without them, the layout is that of `like` or is
    proposed, and the words are those of `like`, of tiles/ and of answers.csv. Raises BadCollection,
    BadKind and BadAnswers.
    """
    files = own.pictures_in(folder)
    place = folder
    if not files and (folder / MEASURED).is_dir():
        place = folder / MEASURED
        files = own.pictures_in(place)
    if not files:
        raise BadCollection(f"{folder} has no pictures ({', '.join(sorted(own.SUFFIXES))})")
    given = ((folder / LAYOUT).is_file(), (folder / WORDS).is_file())
    seen = _open(place, files)
    counts = Counter(f"{pixels.shape[1]}×{pixels.shape[0]}" for pixels in seen.values())
    shares: tuple[float, ...] = ()
    if given[0]:
        layout, shares = read_layout(folder / LAYOUT)
    elif like:
        layout = like.layout
    else:
        if len(counts) > 1:
            sizes = ", ".join(f"{size} ({count})" for size, count in counts.most_common(_NAMED))
            raise BadCollection(
                f"{place} has pictures of {len(counts)} sizes: {sizes}; a layout is of one size"
            )
        layout = propose(list(seen.values()), words=1)
    fitting = [path for path, pixels in seen.items() if pixels.shape[1::-1] == layout.size]
    if not fitting:
        sizes = ", ".join(size for size, _ in counts.most_common(_NAMED))
        raise BadCollection(f"{place}: no picture is of {layout}, as its layout; they are {sizes}")
    ours, measured = (_answers(each, layout) for each in (folder, folder / MEASURED))
    known = [*ours, *measured]
    if not given[0] and not like and any(len(each.words) > 1 for each in known):
        layout = Layout.decode({**layout.encode(), "words": 2})
    words = read_words(folder / WORDS) if given[1] else _words(folder, known, like)
    # Nothing is fitted to what is only measured.
    shares = shares or _shares(ours, layout) or (like.tiles_per_word if like else ())
    return Beginning(layout, shares, words, given, fitting[0], len(files))


def _open(folder: Path, files: Sequence[Path]) -> dict[Path, NDArray[np.uint8]]:
    """The first pictures that can be read."""
    found: dict[Path, NDArray[np.uint8]] = {}
    for path in files:
        try:
            found[path] = open_tile(path)
        except BadTiles as error:
            why = str(error)
            continue
        if len(found) == _MOST:
            break
    if not found:
        raise BadCollection(f"{folder}: none of {len(files)} pictures can be read; {why}")
    return found


def _answers(folder: Path, layout: Layout) -> list[Answer]:
    if not (folder / ANSWERS).is_file():
        return []
    return list(Answers.read(folder / ANSWERS, tiles=layout.count).known.values())


def _words(folder: Path, known: Sequence[Answer], like: Kind | None) -> tuple[str, ...]:
    """Those of a model first, in its order: a network that goes on from it has these classes."""
    tiles = folder / own.TILES
    named = sorted(path.name for path in tiles.iterdir() if path.is_dir()) if tiles.is_dir() else []
    asked = sorted({word for answer in known for word in answer.words})
    every = [*(like.labels if like else ()), *named, *asked]
    return tuple(dict.fromkeys(word for word in every if can_be_word(word)))


def _shares(known: Sequence[Answer], layout: Layout) -> tuple[float, ...]:
    """How often one word has one, two … tiles, as counted, with one more of each; () if nobody
    knows."""
    picked = [len(each.picks) for each in known if len(each.words) == 1 and each.picks]
    if not picked:
        return ()
    counts = np.bincount(picked, minlength=layout.count + 1)[1:] + 0.5
    return tuple(np.round(counts / counts.sum(), 4).tolist())
