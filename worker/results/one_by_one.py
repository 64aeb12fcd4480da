"""A thread that does one thing after the other, and may have to wait for a store meanwhile."""

from abc import ABC, abstractmethod
from threading import Event, Thread
from typing import Generic, TypeVar

from worker.engine_room.batcher import Batcher

Item = TypeVar("Item")


class OneByOne(ABC, Generic[Item]):
    """Does what is put, in that order."""

    def __init__(self, name: str) -> None:
        """`name`: of the thread."""
        self._batcher: Batcher[Item] = Batcher()
        self._stopping = Event()
        self._thread = Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Finish what was put, then end; does not wait for a store that is away."""
        self._stopping.set()
        self._batcher.close()
        self._thread.join()

    def abandon(self) -> None:
        """Start nothing more."""
        self._stopping.set()
        self._batcher.clear()
        self._batcher.close()

    def _run(self) -> None:
        while items := self._batcher.take(1):
            self._do(items[0])

    @abstractmethod
    def _do(self, item: Item) -> None:
        """On the thread; whatever happens, it goes on with the next one."""
