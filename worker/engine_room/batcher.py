"""Micro-batches without a clock.

Whoever is free takes everything that waits, oldest first, up to its cap: idle, that is one item
with no added delay; busy, batches grow by themselves. Where somebody waits for some of the items
and nobody for the others, the former go first. Items of several groups never share a batch: the
group whose oldest item has waited longest is next. Knows neither Celery nor networks.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from itertools import count
from threading import Condition
from typing import Generic, TypeVar

Item = TypeVar("Item")


def _always(bulk: bool) -> bool:
    return True


def _alike(item: object) -> Hashable:
    return None


class _Groups(Generic[Item]):
    """What waits, by group; a group is there while some of it waits."""

    def __init__(self) -> None:
        #: Each item after its number: the smaller, the older.
        self._waiting: dict[Hashable, deque[tuple[int, Item]]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(
        self, items: Iterable[Item], group: Callable[[Item], Hashable], numbers: Iterator[int]
    ) -> None:
        for item in items:
            its_group = group(item)
            if (waiting := self._waiting.get(its_group)) is None:
                waiting = self._waiting[its_group] = deque()
            waiting.append((next(numbers), item))
            self._count += 1

    def oldest(self) -> Item:
        return min(each[0] for each in self._waiting.values())[1]

    def pop(self, group: Hashable, most: int) -> list[Item]:
        waiting = self._waiting.get(group, deque())
        popped = [waiting.popleft()[1] for _ in range(min(most, len(waiting)))]
        self._count -= len(popped)
        if not waiting:
            self._waiting.pop(group, None)
        return popped

    def clear(self) -> None:
        self._waiting.clear()
        self._count = 0


class Batcher(Generic[Item]):
    """A queue between threads that gives batches."""

    def __init__(self, group: Callable[[Item], Hashable] = _alike) -> None:
        """`group`: which one an item is of; all are of one if not given."""
        self._group = group
        self._first: _Groups[Item] = _Groups()
        self._bulk: _Groups[Item] = _Groups()
        self._numbers = count()
        self._changed = Condition()
        self._closed = False
        #: Of takers that wait, or have been woken and not run yet: what they may take.
        self._idle: list[Callable[[bool], bool]] = []

    def __len__(self) -> int:
        return len(self._first) + len(self._bulk)

    def heads(self) -> list[Item]:
        """The oldest of what waits, of either kind."""
        with self._changed:
            return [waiting.oldest() for waiting in (self._first, self._bulk) if waiting]

    def put(self, items: Iterable[Item], *, bulk: bool = False) -> None:
        """Append; wakes one taker, if there is one that may take it. Allowed after `close`: what is
        put is still given out.

        `bulk`: these are taken when no others wait.
        """
        with self._changed:
            waiting = self._bulk if bulk else self._first
            waiting.add(items, self._group, self._numbers)
            if any(may(bulk) for may in self._idle):
                self._changed.notify()

    def offer(self, item: Item) -> bool:
        """Append if nothing waits and a taker is idle; whether that was so."""
        with self._changed:
            if len(self) or not self._idle:
                return False
            self._first.add([item], self._group, self._numbers)
            self._changed.notify()
            return True

    def take(
        self,
        cap: int | Callable[[Item], int],
        may: Callable[[bool], bool] = _always,
        *,
        wait: bool = True,
    ) -> list[Item]:
        """Wait for something, then take all that waits of one group, up to `cap`; [] once closed
        and empty.

        `cap`: of all batches, or of that whose first item it is asked about.
        `may`: whether any may be taken now that are bulk, or not; `look_again` when that changes.
        `wait`: False gives [], too, if there is nothing now.
        """
        with self._changed:
            while True:
                first = bool(self._first) and may(False)
                bulk = bool(self._bulk) and may(True)
                if first or bulk or not wait or (self._closed and not len(self)):
                    break
                self._idle.append(may)
                self._changed.wait()
                self._idle.remove(may)
            batch = self._pop(cap, first=first, bulk=bulk)
            if wait and len(self):
                # One `put` woke one taker, who left something behind.
                self._changed.notify()
            return batch

    def look_again(self) -> None:
        """Have takers ask anew what they may take."""
        with self._changed:
            if len(self) or self._closed:
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

    def _pop(self, cap: int | Callable[[Item], int], *, first: bool, bulk: bool) -> list[Item]:
        if not (first or bulk):
            return []
        oldest = (self._first if first else self._bulk).oldest()
        group, most = self._group(oldest), cap if isinstance(cap, int) else cap(oldest)
        batch = self._first.pop(group, most) if first else []
        # Where others of another group go first, the pass is not made longer for these.
        if bulk and not (first and self._first):
            batch += self._bulk.pop(group, most - len(batch))
        return batch
