"""A folder of captchas that people answer: what a model makes of each, and what was said so far."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from models.datasets.answers import ANSWERS, Answer, Answers
from models.datasets.kinds import LAYOUT
from models.datasets.own import DRAWN, SUFFIXES, TILES
from models.engines.reader import Reader
from tilefleet import answer
from tilefleet.errors import BadCollection, TilefleetError, reason
from tilefleet.files import read_file
from tilefleet.kind import Kind


@dataclass(frozen=True, slots=True)
class Captcha:
    """One captcha of a folder."""

    #: Below the folder, with slashes, as answers.csv names it.
    file: str
    guess: answer.Answer


class Labelling:
    """The captchas of a folder, those whose guess is least sure first, and their answers.

    Every decision is in the folder's answers.csv before `decide` returns. What others write into
    that file meanwhile stays, unless it is of the same captcha.
    """

    def __init__(self, folder: Path, captchas: list[Captcha], kind: Kind) -> None:
        """`kind`: of all of them. Raises BadAnswers if answers.csv cannot be understood."""
        self.folder = folder
        self.kind = kind
        self.captchas = sorted(captchas, key=lambda each: (each.guess.confidence, each.file))
        self._path = folder / ANSWERS
        self.known = self._answers().known
        #: Which were decided, and what was said of them before, oldest first.
        self._before: list[tuple[int, Answer | None]] = []

    @classmethod
    def read(
        cls,
        folder: Path,
        reader: Reader,
        *,
        tick: Callable[[int, int], None],
        skip: Callable[[str, str], None],
    ) -> Self:
        """Read all pictures of `folder` and below it, but labelled tiles and the drawn layout.

        `tick` is told how many are done, and of how many; `skip` gets each file that is no captcha,
        and why. Raises BadAnswers, before anything is read.
        """
        kind = reader.engine.kind
        Answers.read(folder / ANSWERS, tiles=kind.layout.count, missing=True)
        own_kind = (folder / LAYOUT).is_file()
        paths = [
            path
            for path in sorted(folder.rglob("*"))
            if path.suffix.lower() in SUFFIXES and not (own_kind and _is_beside(path, folder))
        ]
        captchas = []
        for done, path in enumerate(paths, 1):
            file = path.relative_to(folder).as_posix()
            try:
                if not file.isprintable():
                    raise BadCollection("its name cannot be written into a table")
                captchas.append(Captcha(file, reader.read(read_file(path))))
            except TilefleetError as error:
                skip(file, str(error))
            except OSError as error:
                skip(file, reason(error))
            tick(done, len(paths))
        return cls(folder, captchas, kind)

    @property
    def decided(self) -> int:
        """How many of the captchas have an answer."""
        return sum(each.file in self.known for each in self.captchas)

    def answer(self, number: int) -> Answer | None:
        """What was said of a captcha, by its number in the order of doubt."""
        return self.known.get(self.captchas[number].file)

    def decide(self, number: int, said: Answer | None) -> None:
        """Write what is right for a captcha, or that nothing is known of it any more.

        Raises BadAnswers and OSError; nothing is decided then.
        """
        before = self._write(number, said)
        self._before.append((number, before))

    def undo(self) -> int | None:
        """Take the last decision back; gives its captcha's number, None if there is none.

        Raises as `decide`.
        """
        if not self._before:
            return None
        number, before = self._before[-1]
        self._write(number, before)
        self._before.pop()
        return number

    def _answers(self) -> Answers:
        return Answers.read(self._path, tiles=self.kind.layout.count, missing=True)

    def _write(self, number: int, said: Answer | None) -> Answer | None:
        file = self.captchas[number].file
        answers = self._answers()
        before = answers.known.get(file)
        if said is None:
            answers.drop(file)
        else:
            answers.put(file, said)
        answers.write()
        self.known = answers.known
        return before


def _is_beside(path: Path, folder: Path) -> bool:
    """Whether a picture in a folder of data of a kind of its own is no captcha."""
    return path == folder / DRAWN or path.is_relative_to(folder / TILES)
