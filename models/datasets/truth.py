"""Captchas whose answers are known: a folder of pictures and an answers.csv (`answers`)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models.datasets.answers import FILENAME, Answers
from tilefleet.labels import INDEX

ANSWERS: Final = FILENAME


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
    """Read ``answers.csv``; raises BadAnswers if it is missing or malformed."""
    return [
        Truth(folder / file, answer.words, answer.picks)
        for file, answer in Answers.read(folder / ANSWERS).known.items()
    ]
