"""The engine room: decoding threads, a batcher, and one thread for each engine lane.

::

    submit ─→ decoders ─→ batcher ─→ lanes ─→ done(jobs)
                 ├── cannot be read ──────────↗
                 └── joins one with the same bytes ─ … ─↗

Knows no Celery: jobs go in by `submit`, come out by the callable `done`, on a thread of the room,
each exactly once, with an answer, an error, or neither when nobody wants it any more.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Thread
from time import monotonic
from typing import Any

from models.answer import Timing
from models.engines import Engine, Lane
from models.errors import EngineError, TilefleetError
from worker.batcher import Batcher
from worker.job import Job
from worker.twins import Twins

logger = logging.getLogger(__name__)

Done = Callable[[Sequence[Job]], None]


class EngineRoom:
    """A warm engine that reads jobs in micro-batches."""

    def __init__(
        self, engine: Engine, *, lanes: int, decoders: int, done: Done, keep_s: float = 0.0
    ) -> None:
        """Make `lanes` warm lanes; raises ModelError. Nothing runs before `start`.

        `keep_s`: seconds for which an answer is kept for captchas with the same bytes.
        """
        self.engine = engine
        self._twins = Twins(keep_s=keep_s)
        self._done = done
        self._batcher: Batcher[Job] = Batcher()
        self._decoders = ThreadPoolExecutor(decoders, thread_name_prefix="decoder")
        self._pass_sizes: Counter[int] = Counter()
        self._threads = [
            Thread(target=self._run, args=(engine.lane(),), name=f"lane-{number}", daemon=True)
            for number in range(1, lanes + 1)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def submit(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            self._decoders.submit(self._prepare, job)

    def close(self) -> None:
        """Finish what was submitted, then end the threads."""
        self._decoders.shutdown()
        self._batcher.close()
        for thread in self._threads:
            thread.join()

    def abandon(self) -> None:
        """Start nothing more; what is running may finish or die with the process."""
        self._decoders.shutdown(wait=False, cancel_futures=True)
        self._batcher.close()

    def stats(self) -> dict[str, Any]:
        """Plain figures, for ``celery inspect stats``."""
        sizes = dict(self._pass_sizes)
        return {
            "model": self.engine.model,
            "lanes": len(self._threads),
            "max_batch": self.engine.max_batch,
            "waiting": len(self._batcher),
            "passes": sum(sizes.values()),
            "captchas": sum(size * passes for size, passes in sizes.items()),
            "joined": self._twins.joined,
            "kept_answers_used": self._twins.kept,
            "pass_sizes": {str(size): sizes[size] for size in sorted(sizes)},
        }

    def _prepare(self, job: Job) -> None:
        """On a decoder's thread."""
        try:
            settled = self._twins.settle(job)
            if not settled:
                job.prepared = self.engine.prepare(job.data)
        except TilefleetError as error:
            # Without its traceback, whose frames hold the image.
            job.error = error.with_traceback(None)
        except Exception as error:
            logger.exception("An image broke the decoder")
            job.error = EngineError(f"decoding failed: {error!r}")
        # The image is many times the size of everything else in flight.
        job.data = None
        if job.error is not None:
            self._done(self._twins.part([job]))
        elif not settled:
            self._batcher.put([job])
        elif job.answer is not None:
            self._done([job])

    def _run(self, lane: Lane) -> None:
        """On a lane's thread."""
        while batch := self._batcher.take(self.engine.max_batch):
            try:
                self._pass(lane, batch)
            except Exception:
                # A lane that ends would leave the worker alive and deaf; what was in the batch is
                # not acknowledged, and comes back when its lease ends.
                logger.exception("A batch of %d was given up", len(batch))

    def _pass(self, lane: Lane, batch: Sequence[Job]) -> None:
        # As late as possible: what expired while it waited costs no engine time.
        jobs, dropped = self._twins.begin(batch)
        if jobs:
            self._read(lane, jobs)
        self._done([*self._twins.part(jobs), *dropped])

    def _read(self, lane: Lane, jobs: Sequence[Job]) -> None:
        """One pass; one that fails is halved until only the captchas at fault fail."""
        started = monotonic()
        try:
            answers = lane.read([job.prepared for job in jobs])
        except Exception as error:
            if len(jobs) == 1:
                logger.exception("A captcha broke its pass")
                jobs[0].error = EngineError(f"the pass failed: {error!r}")
                return
            middle = len(jobs) // 2
            self._read(lane, jobs[:middle])
            self._read(lane, jobs[middle:])
            return
        pass_ms = (monotonic() - started) * 1000
        # How many captchas the pass answers; those that join from here on come on top.
        size = sum(1 + len(job.twins) for job in jobs)
        self._pass_sizes[size] += 1
        for job, answer in zip(jobs, answers, strict=True):
            queued_ms = (started - job.arrived) * 1000
            job.answer = answer.timed(Timing(queued_ms, pass_ms, size))
        logger.debug("A pass of %d took %.1f ms", size, pass_ms)
