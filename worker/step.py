"""The engine room's place in the worker: a bootstep, and the hub thread's side of it.

::

    hub thread      admit: arguments, task-started ──────────────┐
    engine room                              decode, read        │
    writer                                   store, publish      │
    hub thread      announce: task ready, acknowledge, events ───┘

A *Worker* bootstep: it survives reconnections, which restart everything of the consumer. It starts
after the pool, in the process that reads, and before the consumer, so that a worker without a
model takes no message: it stops.

Celery's worker state is not locked in hub mode; it is touched on the hub thread only.
"""

import logging
import os
from collections import deque
from collections.abc import Sequence
from time import monotonic
from typing import Any

from celery import bootsteps, signals
from celery.backends.redis import RedisBackend
from celery.exceptions import TaskRevokedError
from celery.platforms import EX_FAILURE
from celery.worker.state import task_ready

from models import engines
from models.errors import BadMessage, TilefleetError
from worker.bell import Bell
from worker.job import Job, Outcome
from worker.room import EngineRoom
from worker.task import image_of
from worker.writer import Writer

logger = logging.getLogger(__name__)

#: Receivers of these expect to run around the task, in Celery's order.
_SIGNALS = (
    signals.task_prerun,
    signals.task_postrun,
    signals.task_success,
    signals.task_failure,
)


class EngineRoomStep(bootsteps.StartStopStep):
    """Loads the model, admits requests, announces outcomes."""

    requires = ("celery.worker.components:Pool",)
    label = "engine room"

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        self._worker = worker
        self._settings = worker.app.settings
        self._admitted = 0
        self._finished: deque[Sequence[Job]] = deque()
        self._bell = Bell()
        self._slow: set[Any] = set()
        worker.engine_room = None

    def include_if(self, worker: Any) -> bool:
        """In pools that share this process's memory; others read in their own processes."""
        pool = worker.pool_cls
        in_process = pool.__module__ in ("celery.concurrency.thread", "celery.concurrency.solo")
        return in_process and worker.use_eventloop

    def create(self, worker: Any) -> "EngineRoomStep":
        # The strategy looks for it here, whenever a connection is made.
        worker.engine_room = self
        return self

    def start(self, worker: Any) -> None:
        started = monotonic()
        try:
            engine = engines.load(self._settings)
            lanes = min(worker.concurrency, engine.max_lanes or worker.concurrency)
            self._room = EngineRoom(engine, lanes=lanes, decoders=lanes, done=self._read)
        except TilefleetError as error:
            logger.critical("This worker cannot read captchas: %s", error)
            raise SystemExit(EX_FAILURE) from None
        self._writer = Writer(worker.app.backend, stored=self._finish)
        self._fast_backend = isinstance(worker.app.backend, RedisBackend)
        self._room.start()
        self._writer.start()
        # Claim enough for every lane to be busy with one full pass while the next one waits.
        worker.consumer.prefetch_multiplier = 2 * engine.max_batch * lanes // worker.concurrency
        worker.consumer.initial_prefetch_count = worker.consumer.max_prefetch_count
        logger.warning(
            "Engine room warm in %.1f s: %s (%s), %d lanes of up to %d captchas",
            monotonic() - started,
            engine.model,
            type(engine).__name__,
            lanes,
            engine.max_batch,
        )

    def register_with_event_loop(self, worker: Any, hub: Any) -> None:
        """Again after each reconnection, which empties the hub."""
        hub.add_reader(self._bell, self._announce)

    def stop(self, worker: Any) -> None:
        """Finish what is claimed, within the time allowed; the rest goes back to the queue."""
        deadline = monotonic() + self._settings.shutdown_s
        while self._admitted and (left := deadline - monotonic()) > 0:
            # The hub has stopped and this is its thread: announce from here.
            self._bell.wait(left)
            self._announce()
        if self._admitted:
            logger.warning("%d captchas unfinished at shutdown go back", self._admitted)
            self.terminate(worker)
            return
        self._room.close()
        self._writer.close()
        for result in list(self._slow):
            result.wait(max(0.0, deadline - monotonic()))

    def terminate(self, worker: Any) -> None:
        self._room.abandon()

    def info(self, worker: Any) -> dict[str, Any]:
        return {"engine_room": {**self._room.stats(), "claimed": self._admitted}}

    # On the hub thread -------------------------------------------------------------------------

    def admit(self, request: Any) -> None:
        """Take a request that is due; Celery's strategy calls this."""
        self._admitted += 1
        request.on_accepted(os.getpid(), monotonic())
        job = Job(data=None, request=request)
        try:
            job.data = image_of(request.args, request.kwargs)
        except BadMessage as error:
            job.error = error
            self._read([job])
            return
        self._room.submit(job)

    def _announce(self) -> None:
        """Tell Celery and the broker what became of finished jobs."""
        self._bell.hush()
        while self._finished:
            jobs = self._finished.popleft()
            for job in jobs:
                self._admitted -= 1
                try:
                    self._conclude(job)
                except Exception:
                    logger.exception("Announcing %s failed", job.request.id)

    def _conclude(self, job: Job) -> None:
        request, answer, error = job.request, job.answer, job.error
        if answer is None and error is None:
            # Celery's own way with what is revoked or expired: result, event, acknowledgement.
            request.revoked()
        elif not self._is_plain(request):
            self._execute(job)
        elif answer is not None:
            task_ready(request, successful=True)
            request.acknowledge()
            words = " ".join(word.label for word in answer.words)
            runtime = 0.0 if answer.timing is None else answer.timing.pass_ms / 1000
            request.send_event(
                "task-succeeded", result=f"{words}: {list(answer.picks)}", runtime=runtime
            )
        else:
            logger.info("%s failed: %r", request, error)
            task_ready(request)
            request.acknowledge()
            request.send_event("task-failed", exception=repr(error), traceback=repr(error))

    def _execute(self, job: Job) -> None:
        """Ordinary execution with the outcome known: storage, links, chords, signals, all of it."""
        job.request.request_dict["outcome"] = Outcome(job.answer, job.error)
        try:
            result = job.request.execute_using_pool(self._worker.pool)
        except TaskRevokedError:
            return
        future = getattr(result, "f", None)
        if future is not None:
            self._slow.add(result)
            future.add_done_callback(lambda _: self._slow.discard(result))

    # On threads of the room and the writer -----------------------------------------------------

    def _read(self, jobs: Sequence[Job]) -> None:
        """The room is done with these: what only has to be stored is stored first."""
        plain: list[Job] = []
        rest: list[Job] = []
        for job in jobs:
            dropped = job.answer is None and job.error is None
            (plain if self._is_plain(job.request) and not dropped else rest).append(job)
        if plain:
            self._writer.put(plain)
        if rest:
            self._finish(rest)

    def _finish(self, jobs: Sequence[Job]) -> None:
        self._finished.append(jobs)
        self._bell.ring()

    def _is_plain(self, request: Any) -> bool:
        """Whether to store and to announce is all there is to do for it."""
        _, _, embed = request._payload
        return self._fast_backend and not (
            any((embed or {}).values()) or any(signal.receivers for signal in _SIGNALS)
        )
