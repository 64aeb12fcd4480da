"""Tells the fleet, once a second, that this worker lives, how fast it is and how much may wait."""

import logging
from collections.abc import Callable, Mapping
from threading import Event, Thread
from time import monotonic
from typing import Any

from redis.exceptions import RedisError

from tilefleet import report
from tilefleet.figures import Figures
from tilefleet.report import Report
from worker.engine_room.room import EngineRoom

logger = logging.getLogger(__name__)

#: How much the newest measurement of the rate counts.
_SHARE_OF_NEWEST = 0.3


class Reporter:
    """A thread that writes this worker's line."""

    def __init__(
        self,
        room: EngineRoom,
        backend: Any,
        *,
        node: str,
        bounds: Mapping[str, int],
        figures: Callable[[], Figures],
        key_prefix: str = "",
    ) -> None:
        """`backend`: Celery's for Redis. `bounds`: most messages that may wait, by lane.

        `figures` gives what the worker has counted.
        """
        self._key = key_prefix + report.KEY
        self._room = room
        self._backend = backend
        self._node = node
        self._bounds = bounds
        self._figures = figures
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="beacon", daemon=True)
        #: Captchas a second while more waited than were read.
        self.rate = 0.0

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """This worker is not counted on any more."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        # Why it could not tell, as it was said last.
        told = ""
        seen, since, busy = self._room.captchas, monotonic(), False
        while not self._stopping.is_set():
            try:
                self._write()
                told = ""
            except (RedisError, OSError) as error:
                if told != str(error):
                    logger.warning("This worker cannot tell that it lives: %s", error)
                told = str(error)
            self._stopping.wait(report.EVERY_S)
            read, now, waiting = self._room.captchas, monotonic(), self._room.waiting > 0
            if busy and waiting and read > seen:
                self._measure((read - seen) / (now - since))
            seen, since, busy = read, now, waiting
        try:
            self._backend.client.hdel(self._key, self._node)
        except (RedisError, OSError):
            pass

    def _measure(self, rate: float) -> None:
        share = _SHARE_OF_NEWEST if self.rate else 1.0
        self.rate += share * (rate - self.rate)

    def _write(self) -> None:
        model = self._room.engine.model
        text = Report(self.rate, self._bounds, model, self._figures()).encode()
        self._backend.client.execute_command("EVAL", report.WRITE, 1, self._key, self._node, text)
