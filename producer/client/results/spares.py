"""Ids for tasks to come, whose results are subscribed to ahead.

A captcha on an idle fleet need not wait until its own subscription is confirmed: one round trip to
the server less between the call and its answer (`python -m benchmarks.idle`).
"""

from collections.abc import Callable
from typing import Final
from uuid import uuid4

#: Subscribed to ahead. Where more go out together, the rest is subscribed to with them.
MOST: Final = 16


class Spares:
    """Of one connection for results."""

    def __init__(self, key: Callable[[str], bytes]) -> None:
        """`key`: which result is published under, of a task's id."""
        self._key = key
        #: Subscribed to, and confirmed.
        self._ready: list[str] = []
        #: Not confirmed yet.
        self._coming: dict[bytes, str] = {}
        #: Confirmed: those that are ready, and those that were taken and not used yet.
        self._heard: set[bytes] = set()

    def take(self) -> str:
        """An id that is ready, if there is one; else any new one."""
        return self._ready.pop() if self._ready else str(uuid4())

    def give_back(self, task_id: str) -> None:
        """It was taken for nothing."""
        if self._key(task_id) in self._heard:
            self._ready.append(task_id)

    def more(self) -> list[bytes]:
        """What to subscribe to, for there to be enough again."""
        wanted = MOST - len(self._ready) - len(self._coming)
        new = {self._key(task_id): task_id for task_id in (str(uuid4()) for _ in range(wanted))}
        self._coming |= new
        return list(new)

    def confirm(self, key: bytes) -> None:
        """The server has subscribed to it."""
        task_id = self._coming.pop(key, None)
        if task_id is not None:
            self._heard.add(key)
            self._ready.append(task_id)

    def use(self, key: bytes) -> bool:
        """Whether that one is subscribed to; it is no spare one any more."""
        if key in self._heard:
            self._heard.remove(key)
            return True
        return False

    def lose(self) -> None:
        """The connection is lost, and all of them with it."""
        self._ready.clear()
        self._coming.clear()
        self._heard.clear()
