"""Results that are expected: their futures, by the keys under which results are stored."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

import orjson

from tilefleet import wire
from tilefleet.errors import FleetUnreachable

logger = logging.getLogger(__name__)

#: Seconds between looks for what is given up.
_OLD_S: Final = 60.0
#: What is said of that, as Celery stores it.
_LOST: Final = b"""{"status": "REVOKED", "result": {"exc_message":
["it has expired, and nothing was heard of it"]}}"""

_FINAL: Final = frozenset({"SUCCESS", "FAILURE", "REVOKED"})


class Expected:
    """Belongs to the event loop that makes it."""

    def __init__(self, *, resolved: Callable[[bytes], None]) -> None:
        """`resolved` is told each key whose result is there."""
        self._resolved = resolved
        self._futures: dict[bytes, asyncio.Future[Any]] = {}
        #: When each of them is given up, by the loop's clock.
        self._until: dict[bytes, float] = {}
        self._looking = asyncio.get_running_loop().call_later(_OLD_S, self._give_up_old)

    @property
    def keys(self) -> list[bytes]:
        return list(self._futures)

    def add(self, key: bytes, expires: float) -> "asyncio.Future[Any]":
        """The future of what is stored under that key, by a task that may be begun with within so
        many seconds. One that nobody has told of long after that is given up."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._futures[key] = future
        self._until[key] = loop.time() + expires + wire.RESULT_EXPIRES_S
        return future

    def take(self, key: bytes) -> "asyncio.Future[Any] | None":
        """Its future, if it is expected; it is not any more."""
        self._until.pop(key, None)
        return self._futures.pop(key, None)

    def resolve(self, key: bytes, text: bytes) -> None:
        """This is stored under that key."""
        try:
            meta = orjson.loads(text)
            if meta["status"] not in _FINAL:
                return
        except (ValueError, LookupError, TypeError):
            # Nobody else's result is to be lost for it.
            logger.warning("%s: %d bytes that are no result", key.decode(), len(text))
            return
        future = self.take(key)
        if future is not None:
            if not future.done():
                future.set_result(meta)
            self._resolved(key)

    def close(self, why: str) -> None:
        """What is expected fails with FleetUnreachable."""
        self._looking.cancel()
        for future in self._futures.values():
            if not future.done():
                future.set_exception(FleetUnreachable(why))
                # Nobody has to ask.
                future.exception()
        self._futures.clear()
        self._until.clear()

    def _give_up_old(self) -> None:
        """What was purged, or lost with its server, is not expected for ever."""
        loop = asyncio.get_running_loop()
        for key in [key for key, until in self._until.items() if until < loop.time()]:
            self.resolve(key, _LOST)
        self._looking = loop.call_later(_OLD_S, self._give_up_old)
