"""An answer as the picture has it, for a terminal: rows of tiles, the picks marked."""

from collections.abc import Iterable
from typing import Final

import click

from producer.terminal.text import display_width, percent
from tilefleet.answer import Answer, Reading
from tilefleet.kind import BUILTIN

#: Columns inside a cell where there is room: six characters of Chinese, a number before them.
_WIDTH: Final = 15
#: And with both of what marks a pick: a confidence before a check mark, and a word behind it.
_CHECKED, _NAMED = display_width("  99+%  ✔"), display_width("  99+%  ✔ pick")


def draw(answer: Answer, *, title: str = "", within: int | None = None) -> str | None:
    """Some lines of at most `within` columns; colours are for whoever prints it to leave out.

    None where its labels need more.
    """
    words = "  ".join(
        f"{click.style(each.label, bold=True)} {_share(each.confidence)}" for each in answer.words
    )
    across = (answer.grid or BUILTIN.grid).columns
    names = [f"{number} {tile.label}" for number, tile in enumerate(answer.tiles, 1)]
    # Each cell has a space before it, and a line behind it.
    most = _WIDTH if within is None else (within - 1) // across - 2
    width = max([min(_WIDTH, most), _CHECKED, *map(display_width, names)])
    if within is not None and width > most:
        return None
    lines = [f"{title}  {words}" if title else words, _rule("┌┬┐", across, width)]
    for start in range(0, len(answer.tiles), across):
        if start:
            lines.append(_rule("├┼┤", across, width))
        row = range(start, min(start + across, len(answer.tiles)))
        picked = [number + 1 in answer.picks for number in row]
        lines.append(
            _joined(
                _picked(_padded(names[number], width), mark)
                for number, mark in zip(row, picked, strict=True)
            )
        )
        lines.append(
            _joined(
                _mark(answer.tiles[number], mark, width)
                for number, mark in zip(row, picked, strict=True)
            )
        )
    return "\n".join([*lines, _rule("└┴┘", across, width), _summary(answer)])


def _summary(answer: Answer) -> str:
    picks = " ".join(map(str, answer.picks)) or "none"
    points = " ".join(f"{x},{y}" for x, y in answer.points)
    taken = ""
    if answer.timing is not None:
        taken = f", {answer.timing.queued_ms + answer.timing.pass_ms:.0f} ms"
    return "  ".join(
        [
            _picked(f"picks {picks}", True),
            *([f"points {points}"] if points else []),
            f"sure {_share(answer.confidence)}",
            click.style(f"{answer.model}{taken}", dim=True),
        ]
    )


def _rule(ends: str, across: int, width: int) -> str:
    return ends[0] + ends[1].join(["─" * (width + 1)] * across) + ends[2]


def _joined(cells: Iterable[str]) -> str:
    return "│" + "│".join(f" {cell}" for cell in cells) + "│"


def _mark(tile: Reading, picked: bool, width: int) -> str:
    shown = f"  {percent(tile.confidence)}  "
    mark = ("✔ pick" if width >= _NAMED else "✔") if picked else ""
    padded = _padded(mark, width - display_width(shown))
    return _coloured(shown, tile.confidence) + _picked(padded, picked)


def _picked(text: str, picked: bool) -> str:
    return click.style(text, fg="green", bold=True) if picked else text


def _share(share: float) -> str:
    return _coloured(percent(share), share)


def _coloured(text: str, share: float) -> str:
    return click.style(text, fg="green" if share >= 0.9 else "yellow" if share >= 0.5 else "red")


def _padded(text: str, width: int) -> str:
    return text + " " * max(0, width - display_width(text))
