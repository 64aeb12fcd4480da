"""Captchas whose answers are known: a folder of pictures and an ``answers.csv``.

Its columns are ``file,words,picks``: the words of the header and the numbers of the right tiles,
each separated by spaces.
"""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tilefleet.errors import TilefleetError
from tilefleet.labels import INDEX

ANSWERS: Final = "answers.csv"


@dataclass(frozen=True, slots=True)
class Truth:
    """One captcha and what is right for it."""

    path: Path
    words: tuple[str, ...]
    #: Ascending, 1 to 8.
    picks: tuple[int, ...]

    @property
    def known(self) -> bool:
        """Whether all its words are among the 80."""
        return all(word in INDEX for word in self.words)


def truths(folder: Path) -> list[Truth]:
    """Read ``answers.csv``; raises TilefleetError if it is missing or malformed."""
    path = folder / ANSWERS
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [
                Truth(
                    path=folder / row["file"],
                    words=tuple(row["words"].split()),
                    picks=_picks(row["picks"]),
                )
                for row in csv.DictReader(file)
            ]
    except (OSError, KeyError, ValueError, AttributeError) as error:
        raise TilefleetError(f"{path}: {error!r}; expected columns file, words, picks") from None


def _picks(text: str) -> tuple[int, ...]:
    picks = tuple(sorted(int(pick) for pick in text.split()))
    if any(not 1 <= pick <= 8 for pick in picks):
        raise ValueError(f"picks {text}: tiles are numbered 1 to 8")
    return picks
