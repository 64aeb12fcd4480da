"""How far a long command is, on the standard error, if that is a terminal and ``-q`` was not given.

::

    1,204 of 8,000  412/s  16 s left  3 failed
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from types import TracebackType
from typing import Final, Self, TextIO, TypeVar

from producer.terminal.verbosity import is_quiet, is_redrawn

#: Seconds between two drawings, and before the first: what is short needs none.
_EVERY_S: Final = 0.2
_FIRST_S: Final = 0.5
#: Back to the line's beginning, and clear it.
_CLEAR: Final = "\r\x1b[K"


Item = TypeVar("Item")


class Progress:
    """A line that is written over; nothing at all in a pipe."""

    def __init__(self, total: int | None = None, *, stream: TextIO | None = None) -> None:
        """`total`: how many there are, if that is known."""
        self._stream = sys.stderr if stream is None else stream
        self._shown = is_redrawn(self._stream) and not is_quiet()
        self._total = total
        self._began = monotonic()
        self._next = self._began + _FIRST_S
        self._drawn = False
        self.done = 0
        self.failed = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.clear()

    def count(self, *, failed: bool = False) -> None:
        """One more is done; to be called when what is printed of it has been printed."""
        self.done += 1
        self.failed += failed
        self.tell(self.line)

    def over(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items, each counted when the next one is asked for."""
        for item in items:
            yield item
            self.count()

    def tell(self, line: Callable[[], str]) -> None:
        """Show a line of another kind, if it is time."""
        if self._shown and monotonic() >= self._next:
            self._next = monotonic() + _EVERY_S
            self._stream.write(_CLEAR + line())
            self._stream.flush()
            self._drawn = True

    def clear(self) -> None:
        """Take the line away, before something else is printed."""
        if self._drawn:
            self._stream.write(_CLEAR)
            self._stream.flush()
            self._drawn = False
            # What is printed in between wipes it out again and again: it comes back soon.
            self._next = min(self._next, monotonic())

    @property
    def is_shown(self) -> bool:
        """Whether this is a terminal, and progress is wanted."""
        return self._stream.isatty() and not is_quiet()

    @property
    def rate(self) -> float:
        """Done a second."""
        return self.done / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def elapsed_s(self) -> float:
        return monotonic() - self._began

    def line(self) -> str:
        rate = self.rate
        parts = [f"{self.done:,} of {self._total:,}" if self._total else f"{self.done:,}"]
        parts.append(f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s")
        if self._total and rate:
            parts.append(f"{span((self._total - self.done) / rate)} left")
        if self.failed:
            parts.append(f"{self.failed:,} failed")
        return "  ".join(parts)


def span(seconds: float) -> str:
    """``8 s``, ``3 min 20 s``, ``2 h 05 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
