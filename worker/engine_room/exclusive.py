"""Work that goes side by side, and work that has to be alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition
from typing import Final

#: Seconds to wait for others to finish; one that hangs must not stop everybody.
PATIENCE_S: Final = 10.0


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
    def alone(self, patience_s: float = PATIENCE_S) -> Iterator[None]:
        """For one thread at a time, which the caller sees to.

        Who works still after `patience_s` seconds is not waited for any longer.
        """
        with self._changed:
            self._alone += 1
            self._changed.wait_for(lambda: not self._working, patience_s)
        try:
            yield
        finally:
            with self._changed:
                self._alone -= 1
                self._changed.notify_all()
