"""Micro-batches without a clock.

Whoever is free takes everything that waits, oldest first, up to its cap: idle, that is one item
with no added delay; busy, batches grow by themselves. Knows neither Celery nor networks.
"""

from collections import deque
from collections.abc import Iterable
from threading import Condition
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Batcher(Generic[Item]):
    """A queue between threads that gives batches."""

    def __init__(self) -> None:
        self._waiting: deque[Item] = deque()
        self._changed = Condition()
        self._closed = False

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, items: Iterable[Item]) -> None:
        """Append; wakes one taker. Allowed after `close`: what is put is still given out."""
        with self._changed:
            self._waiting.extend(items)
            self._changed.notify()

    def take(self, cap: int) -> list[Item]:
        """Wait for something, then take all that waits, up to `cap`; [] once closed and empty."""
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            batch = [self._waiting.popleft() for _ in range(min(cap, len(self._waiting)))]
            if self._waiting:
                # One `put` woke one taker, who left something behind.
                self._changed.notify()
            return batch

    def close(self) -> None:
        """Let takers go once nothing waits."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
