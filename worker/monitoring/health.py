"""Signs of life for those who start and stop workers: two files in a folder of this worker's own.

``ready`` is there from the moment that the model is warm until the worker is told to stop, while it
reads a lane: remote control may take it out, and bring it back.
``heartbeat`` is written once a second by a thread that looks whether the others get on: the hub's
loop turns (or waits for its server, which is not this worker's fault), and of the captchas that are
here some get done. A worker that is stopped, hangs, or has a pass that does not end grows stale.
``tilefleet health`` reads both (`producer.monitoring.health`).
"""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any, Final

from tilefleet import health
from worker.engine_room.room import EngineRoom
from worker.hub.coordinator import Coordinator

logger = logging.getLogger(__name__)

#: Seconds without a turn of the loop after which the hub hangs; an idle one turns every second.
_HUB_S: Final = 10.0
#: Seconds in which, of the captchas that are here, not one got done.
_STUCK_S: Final = 60.0


class Health:
    """The two files, and the thread that writes the second one."""

    def __init__(
        self,
        folder: Path,
        worker: Any,
        coordinator: Coordinator,
        *,
        reads: Callable[[], bool],
        stuck_s: float = _STUCK_S,
    ) -> None:
        """Removes what an earlier worker left; raises SystemExit if the folder is not writable."""
        self._ready = folder / health.READY
        self._heartbeat = folder / health.HEARTBEAT
        self._worker = worker
        self._coordinator = coordinator
        self._reads = reads
        self._stuck_s = stuck_s
        #: Whether it takes captchas, and whether `ready` says so.
        self._entered = self._shown = False
        self._showing = Lock()
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="health", daemon=True)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._remove(self._ready)
            self._beat()
        except OSError as error:
            raise SystemExit(f"tilefleet: TILEFLEET_HEALTH={str(folder)!r}: {error}") from None

    def start(self, room: EngineRoom) -> None:
        """The model is warm; from here on the heart has to beat."""
        self._room = room
        self._thread.start()

    def enter(self) -> None:
        """It takes captchas; said again after each reconnection."""
        self._entered = True
        self._show()

    def leave(self) -> None:
        """It takes no more; what it has is still finished, and the heart beats on."""
        with self._showing:
            self._entered = self._shown = False
            self._remove(self._ready)

    def _show(self) -> None:
        with self._showing:
            ready = self._entered and self._reads()
            if ready == self._shown:
                return
            try:
                if ready:
                    model = self._room.engine.model
                    self._ready.write_text(f"{self._worker.hostname} {os.getpid()} {model}\n")
                else:
                    self._remove(self._ready)
                self._shown = ready
            except OSError as error:
                logger.error("This worker cannot show that it is ready: %s", error)

    def close(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self._remove(self._heartbeat)

    def _run(self) -> None:
        done, moved, away, hung = -1, monotonic(), False, False
        while not self._stopping.wait(health.EVERY_S):
            if self._entered:
                self._show()
            now, stats = monotonic(), self._room.stats()
            here = stats["waiting"] + stats["running"]
            so_far = stats["captchas"] + sum(self._coordinator.errors.values())
            if so_far != done or not here:
                done, moved = so_far, now
            why = self._hangs(here, now - moved)
            # Once, though the seconds in it grow.
            if bool(why) != hung:
                (logger.error if why else logger.warning)("%s", why or "This worker works again")
                hung = bool(why)
            if why:
                continue
            try:
                self._beat()
                away = False
            except OSError as error:
                if not away:
                    logger.error("This worker cannot show that it lives: %s", error)
                away = True

    def _hangs(self, here: int, still_s: float) -> str:
        """What is wrong; nothing, mostly."""
        # While it connects, again and again if need be, there is no loop to turn.
        consumer = getattr(self._worker, "consumer", None)
        connected = consumer is not None and consumer.connection and not consumer.connecting
        turned_s = monotonic() - self._coordinator.turned
        if connected and turned_s > _HUB_S and self._ready.exists():
            return f"The hub's loop has not turned for {turned_s:.0f} s"
        if still_s > self._stuck_s:
            return f"None of {here} captchas got done in {still_s:.0f} s"
        return ""

    def _beat(self) -> None:
        self._heartbeat.write_text(f"{os.getpid()}\n")

    @staticmethod
    def _remove(file: Path) -> None:
        file.unlink(missing_ok=True)
