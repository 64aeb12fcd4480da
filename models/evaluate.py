"""How often a model is right on a folder of captchas with known answers.

The folder holds pictures and ``answers.csv`` with columns ``file,words,picks``: the words of the
header and the numbers of the right tiles, each separated by spaces.
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from models.errors import BadRequest, TilefleetError
from models.labels import INDEX
from models.reader import Reader


@dataclass(frozen=True, slots=True)
class Truth:
    """One captcha and what is right for it."""

    path: Path
    words: tuple[str, ...]
    picks: tuple[int, ...]

    @property
    def known(self) -> bool:
        """Whether all its words are among the 80."""
        return all(word in INDEX for word in self.words)


@dataclass(frozen=True, slots=True)
class Score:
    """Counts over one folder."""

    captchas: int
    words_right: int
    exact: int

    def encode(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.captchas} captchas: words {self.words_right}, exact {self.exact}"


def truths(folder: Path) -> list[Truth]:
    """Read ``answers.csv``; raises TilefleetError if it is missing or malformed."""
    path = folder / "answers.csv"
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [
                Truth(
                    path=folder / row["file"],
                    words=tuple(row["words"].split()),
                    picks=tuple(sorted(int(pick) for pick in row["picks"].split())),
                )
                for row in csv.DictReader(file)
            ]
    except (OSError, KeyError, ValueError, AttributeError) as error:
        raise TilefleetError(f"{path}: {error!r}; expected columns file, words, picks") from None


def evaluate(reader: Reader, known: Iterable[Truth]) -> Score:
    """Read each captcha and count; one that cannot be read counts as wrong."""
    outcomes = list(_outcomes(reader, known))
    return Score(
        captchas=len(outcomes),
        words_right=sum(words for words, _ in outcomes),
        exact=sum(exact for _, exact in outcomes),
    )


def _outcomes(reader: Reader, known: Iterable[Truth]) -> Iterator[tuple[bool, bool]]:
    for truth in known:
        try:
            answer = reader.read(truth.path.read_bytes())
        except BadRequest:
            yield False, False
            continue
        words = tuple(word.label for word in answer.words)
        yield words == truth.words, answer.picks == truth.picks
