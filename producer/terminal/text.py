"""Answers and errors for people."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final
from unicodedata import east_asian_width

from tilefleet.answer import Answer
from tilefleet.kind import BUILTIN

_STEPS: Final = "▁▂▃▄▅▆▇█"


def text(answer: Answer, *, title: str | None = None) -> str:
    """The words; row, column and label of each tile; the picks and where to click."""
    columns = _columns_of(answer)
    lines = [] if title is None else [f"{title}:"]
    lines.append(" ".join(word.label for word in answer.words))
    lines += [
        f"{number // columns + 1} {number % columns + 1} {tile.label}"
        for number, tile in enumerate(answer.tiles)
    ]
    lines.append("picks " + " ".join(str(pick) for pick in answer.picks))
    lines.append("points " + " ".join(f"{x},{y}" for x, y in answer.points))
    return "\n".join(lines) + ("" if title is None else "\n")


def grid(answer: Answer, *, title: str) -> str:
    """A small table: the words, then the rows of labels with the picks in brackets."""
    words = " ".join(f"{word.label} {word.confidence:.2f}" for word in answer.words)
    lines = [f"{title}  {words}  sure {answer.confidence:.2f}"]
    columns = _columns_of(answer)
    for start in range(0, len(answer.tiles), columns):
        row = range(start, start + columns)
        cells = (_cell(answer.tiles[tile].label, tile + 1 in answer.picks) for tile in row)
        lines.append("  " + "".join(cells).rstrip())
    return "\n".join(lines)


def _columns_of(answer: Answer) -> int:
    return (answer.grid or BUILTIN.grid).columns


def error_line(error: Exception) -> str:
    """``WrongSize: 292×189 pixels …``; an OSError's own words are clear enough."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return printable(f"{type(error).__name__}: {error}")


def printable(text: str) -> str:
    """With escapes for what would move a terminal's cursor, colour it, or worse; lines stay."""
    return "".join(
        each if each.isprintable() or each == "\n" else each.encode("unicode_escape").decode()
        for each in text
    )


def percent(share: float) -> str:
    """``99+%`` for nearly all: 100 % is only for what is so."""
    return f"{share * 100:.0f}%" if share < 0.995 else "99+%"


def bar(share: float, width: int) -> str:
    """A bar of up to `width` columns, in eighths of one; something for everything above 0."""
    eighths = max(round(share * width * 8), share > 0)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def curve(values: Iterable[float], *, least: float = 0.0) -> str:
    """A sparkline, its highest step the largest of these, or `least`; empty if all are 0."""
    values = list(values)
    if not any(values):
        return ""
    most = max([least, *values])
    return "".join(_STEPS[round(value / most * (len(_STEPS) - 1))] for value in values)


def sizes(passes: Mapping[int, int], width: int) -> list[tuple[str, str]]:
    """Passes by their sizes, in powers of two: ("5 to 8", a bar of up to `width` and the count)."""
    groups: Counter[int] = Counter()
    for size, count in passes.items():
        groups[(size - 1).bit_length()] += count
    most = max(groups.values(), default=1)
    rows = []
    for power in sorted(groups):
        low, high = (1 << power >> 1) + 1, 1 << power
        name = f"{low} to {high}" if low < high else f"{high}"
        rows.append((name, f"{bar(groups[power] / most, width):<{width}} {groups[power]:,}"))
    return rows


def _cell(label: str, picked: bool) -> str:
    shown = f"[{label}]" if picked else f" {label} "
    return shown + " " * max(1, 12 - display_width(shown))


def display_width(shown: str) -> int:
    """How many columns of a terminal it takes: a Chinese character takes two."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in shown)
