"""An answer as the picture has it, for a terminal: two rows of four tiles, the picks marked."""

from collections.abc import Iterable

import click

from producer.terminal.text import columns
from tilefleet.answer import Answer, Reading

#: Columns inside a cell: six characters of Chinese, a number before them.
_WIDTH = 15
_ACROSS = 4


def draw(answer: Answer, *, title: str = "") -> str:
    """Some lines; colours are for whoever prints it to leave out."""
    words = "  ".join(
        f"{click.style(each.label, bold=True)} {_share(each.confidence)}" for each in answer.words
    )
    lines = [f"{title}  {words}" if title else words, _rule("┌┬┐")]
    for row in range(0, len(answer.tiles), _ACROSS):
        if row:
            lines.append(_rule("├┼┤"))
        numbers = range(row + 1, min(row + _ACROSS, len(answer.tiles)) + 1)
        cells = [(number, answer.tiles[number - 1], number in answer.picks) for number in numbers]
        lines.append(_joined(_name(*cell) for cell in cells))
        lines.append(_joined(_mark(*cell) for cell in cells))
    return "\n".join([*lines, _rule("└┴┘"), _summary(answer)])


def _summary(answer: Answer) -> str:
    picks = " ".join(map(str, answer.picks)) or "none"
    points = " ".join(f"{x},{y}" for x, y in answer.points)
    taken = ""
    if answer.timing is not None:
        taken = f", {answer.timing.queued_ms + answer.timing.pass_ms:.0f} ms"
    return "  ".join(
        [
            click.style(f"picks {picks}", fg="green", bold=True),
            *([f"points {points}"] if points else []),
            f"sure {_share(answer.confidence)}",
            click.style(f"{answer.model}{taken}", dim=True),
        ]
    )


def _rule(ends: str) -> str:
    return ends[0] + ends[1].join(["─" * (_WIDTH + 1)] * _ACROSS) + ends[2]


def _joined(cells: Iterable[str]) -> str:
    return "│" + "│".join(f" {cell}" for cell in cells) + "│"


def _name(number: int, tile: Reading, picked: bool) -> str:
    text = _padded(f"{number} {tile.label}")
    return click.style(text, bold=True, fg="green") if picked else text


def _mark(_: int, tile: Reading, picked: bool) -> str:
    shown = f"  {percent(tile.confidence)}  "
    mark = _padded("✔ pick" if picked else "", _WIDTH - columns(shown))
    marked = click.style(mark, fg="green", bold=True) if picked else mark
    return _coloured(shown, tile.confidence) + marked


def _share(share: float) -> str:
    return _coloured(percent(share), share)


def _coloured(text: str, share: float) -> str:
    return click.style(text, fg="green" if share >= 0.9 else "yellow" if share >= 0.5 else "red")


def _padded(text: str, width: int = _WIDTH) -> str:
    return text + " " * max(0, width - columns(text))


def percent(share: float) -> str:
    """``99+%`` for nearly all: 100 % is only for what is so."""
    return f"{share * 100:.0f}%" if share < 0.995 else "99+%"
