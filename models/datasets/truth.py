"""Captchas whose answers are known: a folder of pictures and an ``answers.csv``.

Its columns are ``file,words,picks``: the words of the header and the numbers of the right tiles,
each separated by spaces.
"""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tilefleet.errors import TilefleetError
from tilefleet.kind import BUILTIN, Kind

ANSWERS: Final = "answers.csv"


@dataclass(frozen=True, slots=True)
class Truth:
    """One captcha and what is right for it."""

    path: Path
    words: tuple[str, ...]
    #: Ascending, from 1.
    picks: tuple[int, ...]
    #: Whether all its words are labels.
    known: bool = True


def truths(folder: Path, kind: Kind = BUILTIN) -> list[Truth]:
    """Read ``answers.csv`` for captchas of that kind; raises TilefleetError if it is missing or
    malformed."""
    path = folder / ANSWERS
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [
                Truth(
                    path=folder / row["file"],
                    words=(words := tuple(row["words"].split())),
                    picks=_picks(row["picks"], kind.layout.count),
                    known=all(word in kind.index for word in words),
                )
                for row in csv.DictReader(file)
            ]
    except (OSError, KeyError, ValueError, AttributeError) as error:
        raise TilefleetError(f"{path}: {error!r}; expected columns file, words, picks") from None


def _picks(text: str, tiles: int) -> tuple[int, ...]:
    picks = tuple(sorted(int(pick) for pick in text.split()))
    if any(not 1 <= pick <= tiles for pick in picks):
        raise ValueError(f"picks {text}: tiles are numbered 1 to {tiles}")
    return picks
