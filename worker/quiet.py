"""Work that goes side by side, and work that has to be alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class Quiet:
    """Many at once in `shared`, or one in `alone`; who wants to be alone goes first."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._working = 0
        self._alone = 0

    @contextmanager
    def shared(self) -> Iterator[None]:
        with self._changed:
            while self._alone:
                self._changed.wait()
            self._working += 1
        try:
            yield
        finally:
            with self._changed:
                self._working -= 1
                if self._alone and not self._working:
                    self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """For one thread at a time, which the caller sees to."""
        with self._changed:
            self._alone += 1
            while self._working:
                self._changed.wait()
        try:
            yield
        finally:
            with self._changed:
                self._alone -= 1
                self._changed.notify_all()
