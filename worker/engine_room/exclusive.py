"""A shared/exclusive (readers-writer) lock, for work that must have the engine to itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition
from typing import Final

#: Seconds to wait for others to finish; one that hangs must not stop everybody.
PATIENCE_S: Final = 10.0


class SharedExclusiveLock:
    """Any number hold `shared`, or one holds `exclusive`; a waiting `exclusive` keeps new `shared`
    out."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._working = 0
        self._exclusive = 0
        self._shared = _Shared(self)

    @property
    def is_wanted(self) -> bool:
        """Whether one holds `exclusive`, or waits for it."""
        return self._exclusive > 0

    def shared(self) -> "_Shared":
        """For a ``with`` block."""
        return self._shared

    def enter(self) -> None:
        """Hold `shared`, until `leave`."""
        with self._changed:
            while self._exclusive:
                self._changed.wait()
            self._working += 1

    def leave(self) -> None:
        with self._changed:
            self._working -= 1
            if self._exclusive and not self._working:
                self._changed.notify_all()

    @contextmanager
    def exclusive(self, patience_s: float = PATIENCE_S) -> Iterator[None]:
        """For one thread at a time, which the caller sees to.

        After `patience_s` seconds the block is entered although others still hold `shared`.
        """
        with self._changed:
            self._exclusive += 1
            self._changed.wait_for(lambda: not self._working, patience_s)
        try:
            yield
        finally:
            with self._changed:
                self._exclusive -= 1
                self._changed.notify_all()


class _Shared:
    """Entered for each captcha: a generator would take longer than what it does."""

    def __init__(self, lock: SharedExclusiveLock) -> None:
        self._lock = lock

    def __enter__(self) -> None:
        self._lock.enter()

    def __exit__(self, *_: object) -> None:
        self._lock.leave()
