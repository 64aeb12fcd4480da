"""How answers are printed: for people, as JSON, as CSV."""

import csv
import io
import json
import shutil
from typing import Final, Protocol

from producer.reading import grid
from producer.terminal import text as show
from tilefleet.answer import Answer

_COLUMNS: Final = ("file", "words", "picks", "points", "confidence", "tiles", "model", "error")
#: Between labels, which may have spaces in them.
_BETWEEN: Final = "|"


class Form(Protocol):
    """One way."""

    def head(self) -> str:
        """What comes before all answers; empty: nothing."""

    def answered(self, name: str, answer: Answer, *, alone: bool) -> str:
        """An answer; `alone`: there is only one, which needs no name."""

    def failed(self, name: str, error: Exception) -> str:
        """What stands in the place of an answer; empty: nothing, it is told beside."""


class Plain:
    """A line for each thing: for scripts, and for pipes."""

    def head(self) -> str:
        return ""

    def answered(self, name: str, answer: Answer, *, alone: bool) -> str:
        return show.text(answer, title=None if alone else name)

    def failed(self, name: str, error: Exception) -> str:
        return ""


class Grid(Plain):
    """As the picture has it: for terminals that are wide enough."""

    def answered(self, name: str, answer: Answer, *, alone: bool) -> str:
        within = shutil.get_terminal_size().columns
        drawn = grid.draw(answer, title="" if alone else name, within=within)
        if drawn is None:
            return super().answered(name, answer, alone=alone)
        return drawn if alone else f"{drawn}\n"


class Json(Plain):
    """An object a line."""

    def answered(self, name: str, answer: Answer, *, alone: bool) -> str:
        return json.dumps({"file": name, **answer.encode()}, ensure_ascii=False)


class Csv(Plain):
    """A row for each captcha, of what failed too."""

    def head(self) -> str:
        return _row(_COLUMNS)

    def answered(self, name: str, answer: Answer, *, alone: bool) -> str:
        return _row(
            (
                name,
                _BETWEEN.join(word.label for word in answer.words),
                " ".join(map(str, answer.picks)),
                " ".join(f"{x},{y}" for x, y in answer.points),
                f"{answer.confidence:.4f}",
                _BETWEEN.join(tile.label for tile in answer.tiles),
                answer.model,
                "",
            )
        )

    def failed(self, name: str, error: Exception) -> str:
        return _row((name, *[""] * (len(_COLUMNS) - 2), show.error_line(error)))


def _row(cells: tuple[str, ...]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()
