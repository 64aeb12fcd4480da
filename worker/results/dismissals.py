"""Storing what becomes of tasks that are not read: revoked, expired, or no task at all.

Celery stores that on the thread that claims, renews leases and answers `inspect`; a store that is
full or away would hold up all of it. Here a thread of its own does, until the store has it; only
then is the message acknowledged.
"""

import logging
from collections.abc import Callable
from typing import Final

from redis.exceptions import RedisError

from tilefleet.errors import reason
from worker.results.one_by_one import OneByOne

logger = logging.getLogger(__name__)

_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0

Step = Callable[[], object]


class Dismissals(OneByOne[tuple[Step, Step]]):
    """A thread that stores one after the other."""

    def __init__(self) -> None:
        super().__init__("dismissals")

    def put(self, store: Step, done: Step) -> None:
        """`store` is called until the store has it, then `done`; on this thread."""
        self._batcher.put([(store, done)])

    def _do(self, item: tuple[Step, Step]) -> None:
        store, done = item
        if self._is_stored(store):
            done()

    def _is_stored(self, store: Step) -> bool:
        pause = _FIRST_PAUSE_S
        while True:
            try:
                store()
                return True
            except (RedisError, OSError, RuntimeError) as error:
                logger.warning("What is not read waits for its store: %s", reason(error))
            except Exception:
                # Of any class: trying again would not help, and it must not stay claimed.
                logger.exception("What became of a task cannot be stored")
                return True
            if self._stopping.wait(pause):
                return False
            pause = min(2 * pause, _LONGEST_PAUSE_S)
