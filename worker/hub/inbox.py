"""What other threads have the hub thread do, in the order in which they say it."""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from worker.engine_room.job import Delivery
from worker.hub.waker import Waker

logger = logging.getLogger(__name__)

#: What is done with deliveries.
Call = Callable[[Sequence[Delivery]], None]

#: One who has nothing to say.
_ONCE: Sequence[Any] = (None,)


class Inbox:
    """Any thread puts in; the hub thread goes through it."""

    def __init__(self, waker: Waker) -> None:
        self._waker = waker
        self._calls: deque[tuple[Call, Sequence[Delivery]]] = deque()

    def __len__(self) -> int:
        return len(self._calls)

    def post(self, call: Call, deliveries: Sequence[Delivery]) -> None:
        """Have the hub thread do this with these soon, if there are any."""
        if deliveries:
            self._calls.append((call, deliveries))
            self._waker.wake()

    def leave(self, call: Call, deliveries: Sequence[Delivery]) -> None:
        """The same whenever the hub thread is awake."""
        if deliveries:
            self._calls.append((call, deliveries))

    def do(self, call: Callable[[], None]) -> None:
        """Have the hub thread do this soon."""
        self.post(lambda _: call(), _ONCE)

    def go_through(self) -> None:
        """Do all of it; on the hub thread. What fails is logged."""
        self._waker.drain()
        while self._calls:
            call, deliveries = self._calls.popleft()
            try:
                call(deliveries)
            except Exception:
                logger.exception("What another thread has left to do failed")
