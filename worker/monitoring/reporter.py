"""Tells the fleet, once a second, that this worker lives, how fast it is and how much may wait."""

import logging
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Thread
from time import monotonic

from redis.exceptions import RedisError

from tilefleet import report
from tilefleet.report import Report
from worker.engine_room.room import EngineRoom
from worker.monitoring.line import Line
from worker.monitoring.name import STARTING

logger = logging.getLogger(__name__)

#: How much the newest measurement of the rate counts.
_SHARE_OF_NEWEST = 0.3


class Reporter:
    """A thread that writes this worker's line."""

    def __init__(self, line: Line) -> None:
        self._line = line
        #: What the line says.
        self._report: Callable[[], Report] = lambda: STARTING
        self._trouble = ""
        #: Whether the server did not answer the last time.
        self._away = False
        self._closed = False
        self._due = Event()
        self._thread = Thread(target=self._run, name="reporter", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def tell(self, what: Callable[[], Report]) -> None:
        """Have this told from now on: the worker has started."""
        self._report = what

    def write_now(self) -> None:
        """What has changed may be told at once."""
        self._due.set()

    def close(self) -> None:
        """This worker is not counted on any more."""
        self._closed = True
        self._due.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._closed:
            self._due.clear()
            try:
                trouble, self._away = self._write(), False
            except (RedisError, OSError) as error:
                self._away = True
                trouble = f"This worker cannot tell that it lives: {error}"
            if trouble and trouble != self._trouble:
                logger.warning("%s", trouble)
            self._trouble = trouble
            self._due.wait(report.EVERY_S)
        if self._away:
            # It goes by itself; a server that hangs would keep this worker from its end.
            return
        with suppress(RedisError, OSError):
            self._line.remove()

    def _write(self) -> str:
        if self._line.write(self._report()) is None:
            return ""
        # Both were started while the server was away, or this one stood still for a while.
        return (
            f"Another worker is called {self._line.node}, and is counted in the place of this one: "
            "start one of them with another name (-n)"
        )


class Pace:
    """How many captchas a second an engine room reads while more wait than it has begun with."""

    def __init__(self, room: EngineRoom) -> None:
        self.rate = 0.0
        self._room = room
        self._seen, self._since, self._busy = room.captchas, monotonic(), False

    def measure(self) -> float:
        """Look again; gives the rate, 0 while it is unknown."""
        read, now, waiting = self._room.captchas, monotonic(), self._room.waiting > 0
        if self._busy and waiting and read > self._seen:
            newest = (read - self._seen) / (now - self._since)
            share = _SHARE_OF_NEWEST if self.rate else 1.0
            self.rate += share * (newest - self.rate)
        self._seen, self._since, self._busy = read, now, waiting
        return self.rate
