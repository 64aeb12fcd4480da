"""Captchas whose answers are known: a folder of pictures and an answers.csv (`answers`)."""

from dataclasses import dataclass
from pathlib import Path

from models.datasets.answers import ANSWERS, Answers
from tilefleet.kind import BUILTIN, Kind


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
    """Read ``answers.csv`` for captchas of that kind; raises BadAnswers if it is missing or
    malformed."""
    answers = Answers.read(folder / ANSWERS, tiles=kind.layout.count)
    return [
        Truth(
            folder / file,
            answer.words,
            answer.picks,
            known=all(word in kind.index for word in answer.words),
        )
        for file, answer in answers.known.items()
    ]
