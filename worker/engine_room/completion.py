"""How jobs leave the room: with an answer, an error, or neither when nobody wants them any more."""

import logging
from collections.abc import Callable, Sequence

from tilefleet.errors import EngineError, reason
from worker.engine_room.coalescing import Coalescer
from worker.engine_room.held import HeldModels
from worker.engine_room.job import Job

logger = logging.getLogger(__name__)

#: What the room tells about jobs, on one of its threads.
Done = Callable[[Sequence[Job]], None]


def give_up(jobs: Sequence[Job], error: Exception) -> Sequence[Job]:
    """Fail `jobs`, which are of one model, for an unexpected error of our own code; returns them
    with all that joined them.

    If the thread ended instead, the worker would live and read nothing.
    """
    logger.exception("%d captchas are given up: %s", len(jobs), ", ".join(map(str, jobs)))
    for job in jobs:
        job.answer, job.error = None, EngineError(f"the worker failed: {reason(error)}")
    coalescer: Coalescer = jobs[0].held.coalescer
    return coalescer.part(jobs)


class Completion:
    """Where jobs go that are done. For several threads."""

    def __init__(self, done: Done, models: HeldModels) -> None:
        self._done = done
        self._models = models

    def hand_on(self, jobs: Sequence[Job]) -> None:
        """Give these to `done`, and let go of their models."""
        if not jobs:
            return
        try:
            self._done(jobs)
        except Exception:
            logger.exception(
                "%d captchas could not be handed on: %s", len(jobs), ", ".join(map(str, jobs))
            )
        finally:
            self._models.release(jobs)
