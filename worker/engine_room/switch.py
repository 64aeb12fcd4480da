"""Another default model for a running worker: loaded and warmed beside the one that reads.

::

    idle ─ begin ─→ loading ─→ draining ─→ done       what comes is read with the new model from
                       └─→ failed                     `draining` on; the old one goes on reading

One that the worker holds already is its default from then on, and no other goes. One that it does
not hold takes the default's place. What was taken in before is still read with the old one.

The remote-control commands of `worker.control` begin a switch and tell how it went. A worker that
starts loads what `TILEFLEET_MODEL` names: a switch is not remembered.
"""

import gc
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from threading import Lock, Thread
from time import monotonic
from typing import Any, Final, Literal, Protocol

from models.engines import Engine
from tilefleet.errors import ModelError, TilefleetError, reason
from worker.engine_room.room import EngineRoom

logger = logging.getLogger(__name__)

#: A tenth of Python's own; `python -m benchmarks.switching` measures latencies during a change.
_TURN_S: Final = 0.0005

State = Literal["idle", "loading", "draining", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How the last switch goes, or went."""

    state: State = "idle"
    #: The name that was asked for, and the model that read before.
    wanted: str = ""
    before: str = ""
    #: From the command to the end, seconds.
    seconds: float = 0.0
    #: Why it failed.
    why: str = ""

    @property
    def under_way(self) -> bool:
        return self.state in ("loading", "draining")


@contextmanager
def _in_small_turns() -> Iterator[None]:
    """While a busy thread loads, have Python ask it for the interpreter ten times as often.

    A captcha goes through four threads: each would wait 5 ms for its turn, again and again.
    """
    usual = sys.getswitchinterval()
    sys.setswitchinterval(_TURN_S)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


class Swap(Protocol):
    """How models change places while nothing is taken in."""

    def __call__(self, old: str, new: str, swap: Callable[[], object]) -> None:
        """Do `swap`; by then no message is claimed that names the model called `old`, and those
        that name `new` are from then on."""


def _at_once(old: str, new: str, swap: Callable[[], object]) -> None:
    swap()


class Switch:
    """One change of model at a time, on a thread of its own."""

    def __init__(
        self, room: EngineRoom, load: Callable[[str], Engine], swapping: Swap = _at_once
    ) -> None:
        """`load` gives the engine with the model of that name; raises ModelError."""
        self._room = room
        self._load = load
        self._swapping = swapping
        self._lock = Lock()
        self.progress = Progress()

    @property
    def names(self) -> list[str]:
        """Of the models that are held."""
        return self._room.held.names

    def begin(self, name: str) -> None:
        """Start changing to the model called `name`; raises ModelError while a change runs."""
        with self._lock:
            if self.progress.under_way:
                raise ModelError(f"{self.progress.wanted} is being loaded; try again when it is")
            self.progress = Progress("loading", name, self._room.engine.model)
        Thread(target=self._run, args=(name, monotonic()), name="switch", daemon=True).start()

    def encode(self) -> dict[str, Any]:
        """For the remote-control commands."""
        progress = self.progress
        return {
            "model": self._room.engine.model,
            "models": [each.engine.model for each in self._room.held],
            "precision": self._room.engine.precision,
            "state": progress.state,
            "wanted": progress.wanted,
            "before": progress.before,
            "seconds": round(progress.seconds, 3),
            "why": progress.why,
        }

    def _run(self, name: str, began: float) -> None:
        before = self.progress.before
        try:
            with _in_small_turns():
                self._change(name)
        except Exception as error:
            # Whatever it is: the engine that reads is untouched.
            why = f"{type(error).__name__}: {error}"
            if not isinstance(error, TilefleetError):
                logger.exception("Loading %s failed", name)
                why = reason(error)
            logger.error("%s stays: %s cannot be used: %s", before, name, why)
            self._end("failed", began, why)
            return
        logger.warning("%s reads now, instead of %s", self._room.engine.model, before)
        self._end("done", began)

    def _change(self, name: str) -> None:
        models = self._room.held
        engine = self._load(name)
        new, old = models.get(name), models.replaced_by(name)
        if new is not None and engine.model == new.engine.model:
            models.use(new)
            return
        new, in_cycles = models.warm(name, engine), old.engine.in_cycles
        self.progress = replace(self.progress, state="draining")
        self._swapping(old.name, name, partial(models.use, new))
        if not models.wait_for(old):
            logger.warning("A pass with the old model does not end; its memory stays")
        elif in_cycles:
            del old
            # What was there at the start was put out of the collector's sight.
            gc.unfreeze()
            gc.collect()
            gc.freeze()

    def _end(self, state: State, began: float, why: str = "") -> None:
        self.progress = replace(self.progress, state=state, seconds=monotonic() - began, why=why)
