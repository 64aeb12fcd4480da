"""How often a captcha that came back has been tried, counted where no crash forgets it.

The count is written down before each attempt and removed after it: what ended its process is known
by a count that stayed, and nobody else is blamed.
"""

import logging
from collections.abc import Callable
from typing import Any, Final
from uuid import uuid4

from tilefleet.errors import GivenUp

logger = logging.getLogger(__name__)

#: Times that a captcha is read alone. It was with others once before, so it is delivered three
#: times to be read; the fourth worker gives it up.
_MOST: Final = 2
_KEY: Final = "tilefleet-attempts-of-"
#: Seconds for which attempts are remembered.
_REMEMBERED_S: Final = 3600

#: Fills a pipeline, runs it until the store has it, gives its replies.
Persist = Callable[[Callable[[Any], Any]], list[Any]]


class Attempts:
    """Of each captcha, by its task and its place in it."""

    def __init__(self, persist: Persist, *, key_prefix: str) -> None:
        self._persist = persist
        self._key = key_prefix + _KEY

    def begin(self, task_id: str, number: int) -> None:
        """It is going to be read now; raises GivenUp if that has been tried too often."""
        key = self._name(task_id, number)
        # Of a store that breaks off, what is written again may be written already.
        this = uuid4().hex
        replies = self._persist(
            lambda pipe: pipe.sadd(key, this).expire(key, _REMEMBERED_S).smembers(key)
        )
        attempts = len(replies[-1])
        if attempts > _MOST:
            error = GivenUp(f"{attempts} workers were lost while they had it; not tried again")
            logger.error("%s: %s", task_id, error)
            raise error

    def end(self, task_id: str, number: int) -> None:
        """It has ended nothing."""
        key = self._name(task_id, number)
        self._persist(lambda pipe: pipe.delete(key))

    def _name(self, task_id: str, number: int) -> str:
        return f"{self._key}{task_id}:{number}"
