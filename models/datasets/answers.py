"""The file answers.csv, read as people and their programs write it, and written as it was found.

Columns ``file,words,picks``: a captcha's file, the words of its header, and the numbers of the
right tiles, each separated by spaces (or commas, in quotes). Columns may come in any order, with
others beside them, separated by commas, semicolons or tabs; a byte-order mark, Windows line ends,
quotes, empty lines and spaces around values are no matter. What is written keeps all of that, and
the other columns' values.
"""

import csv
import io
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from tilefleet.errors import BadAnswers
from tilefleet.files import atomic_write, read_file

#: What the file is called, in a folder of captchas.
ANSWERS: Final = "answers.csv"
COLUMNS: Final = ("file", "words", "picks")

_DELIMITERS: Final = (",", ";", "\t")
_BETWEEN: Final = re.compile(r"[\s,;、，；]+")
_MARK: Final = "\ufeff"
#: Bytes of a file.
_MOST: Final = 256 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """What is right for one captcha."""

    words: tuple[str, ...]
    #: Ascending, from 1.
    picks: tuple[int, ...]


@dataclass(slots=True)
class Answers:
    """An answers.csv; changes are in the file once `write` was called."""

    path: Path
    #: Of a captcha.
    tiles: int
    #: Captcha's file, as the file names it → what is right, in the order of the file.
    known: dict[str, Answer] = field(default_factory=dict)
    _columns: list[str] = field(default_factory=lambda: [*COLUMNS])
    #: Captcha's file → its values in other columns, by column.
    _beside: dict[str, dict[int, str]] = field(default_factory=dict)
    _delimiter: str = ","
    _line_end: str = "\n"
    _mark: str = ""

    @classmethod
    def read(cls, path: Path, *, tiles: int, missing: bool = False) -> Self:
        """Read a file; raises BadAnswers with the line that cannot be understood.

        `tiles`: how many a captcha has; `missing`: a file that is not there has no answers.
        """
        try:
            contents = read_file(path, _MOST)
            text = contents.decode("utf-8")
        except FileNotFoundError as error:
            if missing:
                return cls(path, tiles)
            raise BadAnswers(f"{path}: {error.strerror}") from None
        except OSError as error:
            raise BadAnswers(f"{path}: {error.strerror}") from None
        except UnicodeDecodeError as error:
            line = contents[: error.start].count(b"\n") + 1
            raise BadAnswers(
                f"{path}, line {line}: not UTF-8; a spreadsheet saves it as CSV UTF-8"
            ) from None
        answers = cls(path, tiles)
        answers._understand(text)
        return answers

    def put(self, file: str, answer: Answer) -> None:
        """Say what is right for a captcha."""
        self.known[file] = answer

    def drop(self, file: str) -> None:
        """Take back what was said of it."""
        self.known.pop(file, None)

    def write(self) -> None:
        """Write the whole file, or nothing; raises OSError."""
        file, words, picks = (self._places()[name] for name in COLUMNS)
        written = io.StringIO()
        writer = csv.writer(written, delimiter=self._delimiter, lineterminator=self._line_end)
        writer.writerow(self._columns)
        for name, answer in self.known.items():
            row = [""] * len(self._columns)
            for at, value in self._beside.get(name, {}).items():
                row[at] = value
            row[file] = name
            row[words] = " ".join(answer.words)
            row[picks] = " ".join(map(str, answer.picks))
            writer.writerow(row)
        with atomic_write(self.path, text=True) as whole:
            whole.write(self._mark + written.getvalue())

    def _understand(self, text: str) -> None:
        self._mark = _MARK if text.startswith(_MARK) else ""
        text = text.removeprefix(_MARK)
        head = next((line for line in text.splitlines() if line.strip()), "")
        self._line_end = "\r\n" if f"{head}\r\n" in text else "\n"
        self._delimiter = max(_DELIMITERS, key=head.count)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=self._delimiter)
        lines: dict[str, int] = {}
        self._columns = []
        try:
            for row in reader:
                if not any(value.strip() for value in row):
                    continue
                if self._columns:
                    self._take(row, reader.line_num, lines)
                else:
                    self._columns = [value.strip() for value in row]
                    self._places()
        except csv.Error as error:
            raise BadAnswers(f"{self.path}, line {reader.line_num}: {error}") from None
        if not self._columns:
            raise BadAnswers(f"{self.path} is empty; expected columns {', '.join(COLUMNS)}")

    def _places(self) -> dict[str, int]:
        names = [name.lower() for name in self._columns]
        if missing := [name for name in COLUMNS if names.count(name) != 1]:
            raise BadAnswers(
                f"{self.path} has columns {', '.join(self._columns)[:200]}; "
                f"expected {', '.join(COLUMNS)} once each, and not so: {', '.join(missing)}"
            )
        return {name: names.index(name) for name in COLUMNS}

    def _take(self, row: list[str], line: int, lines: dict[str, int]) -> None:
        where = f"{self.path}, line {line}"
        if len(row) > len(self._columns) and any(row[len(self._columns) :]):
            raise BadAnswers(f"{where}: {len(row)} values for {len(self._columns)} columns")
        row = [value.strip() for value in row] + [""] * (len(self._columns) - len(row))
        file, words, picks = (row[self._places()[name]] for name in COLUMNS)
        if not file:
            raise BadAnswers(f"{where}: no file is named")
        answer = Answer(tuple(_parts(words)), _picks(picks, self.tiles, where))
        if self.known.setdefault(file, answer) != answer:
            raise BadAnswers(f"{where}: another answer for {file} than in line {lines[file]}")
        lines.setdefault(file, line)
        self._beside[file] = dict(enumerate(row[: len(self._columns)]))


def _parts(text: str) -> list[str]:
    return [part for part in _BETWEEN.split(text) if part]


def _picks(text: str, tiles: int, where: str) -> tuple[int, ...]:
    parts = _parts(text)
    if not all(part.isascii() and part.isdecimal() for part in parts):
        raise BadAnswers(f"{where}: picks {text[:40]!r} are no numbers of tiles")
    picks = sorted({int(part) for part in parts if len(part) < 10})
    if len(picks) != len(parts) or any(not 1 <= pick <= tiles for pick in picks):
        raise BadAnswers(f"{where}: picks {text[:40]}: tiles are numbered 1 to {tiles}")
    return tuple(picks)
