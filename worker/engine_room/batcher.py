"""Micro-batches without a clock.

Whoever is free takes everything that waits, oldest first, up to its cap: idle, that is one item
with no added delay; busy, batches grow by themselves. Where somebody waits for some of the items
and nobody for the others, the former go first. Knows neither Celery nor networks.
"""

from collections import deque
from collections.abc import Callable, Iterable
from threading import Condition
from typing import Generic, TypeVar

Item = TypeVar("Item")


def _always(bulk: bool) -> bool:
    return True


class Batcher(Generic[Item]):
    """A queue between threads that gives batches."""

    def __init__(self) -> None:
        self._first: deque[Item] = deque()
        self._bulk: deque[Item] = deque()
        self._changed = Condition()
        self._closed = False
        #: Takers that wait, or have been woken and not run yet.
        self._idle = 0

    def __len__(self) -> int:
        return len(self._first) + len(self._bulk)

    def heads(self) -> list[Item]:
        """The oldest of what waits, of either kind."""
        with self._changed:
            return [waiting[0] for waiting in (self._first, self._bulk) if waiting]

    def put(self, items: Iterable[Item], *, bulk: bool = False) -> None:
        """Append; wakes one taker. Allowed after `close`: what is put is still given out.

        `bulk`: these are taken when no others wait.
        """
        with self._changed:
            (self._bulk if bulk else self._first).extend(items)
            self._changed.notify()

    def offer(self, item: Item) -> bool:
        """Append if nothing waits and a taker is idle; whether that was so."""
        with self._changed:
            if len(self) or not self._idle:
                return False
            self._first.append(item)
            self._changed.notify()
            return True

    def take(self, cap: int, may: Callable[[bool], bool] = _always) -> list[Item]:
        """Wait for something, then take all that waits, up to `cap`; [] once closed and empty.

        `may`: whether any may be taken now that are bulk, or not; `look_again` when that changes.
        """
        with self._changed:
            while True:
                first = bool(self._first) and may(False)
                bulk = bool(self._bulk) and may(True)
                if first or bulk or (self._closed and not len(self)):
                    break
                self._idle += 1
                self._changed.wait()
                self._idle -= 1
            batch = self._pop(self._first, cap) if first else []
            batch += self._pop(self._bulk, cap - len(batch)) if bulk else []
            if len(self):
                # One `put` woke one taker, who left something behind.
                self._changed.notify()
            return batch

    def look_again(self) -> None:
        """Have takers ask anew what they may take."""
        with self._changed:
            if len(self):
                self._changed.notify_all()

    def count(self, *, bulk: bool) -> int:
        """How many wait of those that go first; `bulk`: of all."""
        return len(self) if bulk else len(self._first)

    def close(self) -> None:
        """Let takers go once nothing waits."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def clear(self) -> None:
        """Forget what waits."""
        with self._changed:
            self._first.clear()
            self._bulk.clear()

    @staticmethod
    def _pop(waiting: deque[Item], most: int) -> list[Item]:
        return [waiting.popleft() for _ in range(min(most, len(waiting)))]
