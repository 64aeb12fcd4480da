"""Whether the server has let a command wait in vain a moment ago: then the next one fails at once.

A dozen things are told to a server each second, and at a stop, on the thread that turns the event
loop. With one that hangs, each would wait for as long as the first; for minutes together nothing
would be said in the log, the worker would look as if it hung itself, and it would not end.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Final

from redis.exceptions import TimeoutError as RedisTimeoutError

from tilefleet import wire

_LASTS_S: Final = float(wire.TIMEOUT_S)


class Silence:
    """Of the one server that all channels of a process talk to."""

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._until = float("-inf")
        self._stopping = False

    def check(self) -> None:
        """Raises redis-py's TimeoutError while it lasts: until a connection is answered, some
        seconds at most."""
        if self._now() < self._until:
            raise RedisTimeoutError(f"no answer within {wire.TIMEOUT_S} s")

    @contextmanager
    def noticed(self) -> Iterator[None]:
        """It begins if a command in this block is not answered in time."""
        try:
            yield
        except RedisTimeoutError:
            self._until = float("inf") if self._stopping else self._now() + _LASTS_S
            raise

    def end(self) -> None:
        """The server has answered a new connection."""
        self._until = float("-inf")

    def stop(self) -> None:
        """The process is to end: a server that hangs is not waited for a second time."""
        self._stopping = True
        if self._now() < self._until:
            self._until = float("inf")


#: This process's.
silence: Final = Silence()
