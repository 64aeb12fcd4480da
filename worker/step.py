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
from threading import Lock
from time import monotonic, time
from typing import Any

from celery import bootsteps, signals
from celery.backends.redis import RedisBackend
from celery.exceptions import TaskRevokedError
from celery.platforms import EX_FAILURE
from celery.worker.state import task_ready

from models import engines
from models.errors import BadMessage, TilefleetError
from worker.bell import Bell
from worker.events import EventFlush
from worker.job import Job, Outcome, Parcel
from worker.room import EngineRoom
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
        self._finished: deque[Sequence[Parcel]] = deque()
        self._bell = Bell()
        self._slow: set[Any] = set()
        self._events: EventFlush | None = None
        self._counting = Lock()
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
            self._room = EngineRoom(
                engine,
                lanes=lanes,
                decoders=lanes,
                done=self._read,
                keep_s=self._settings.cache_s,
            )
        except TilefleetError as error:
            logger.critical("This worker cannot read captchas: %s", error)
            raise SystemExit(EX_FAILURE) from None
        self._writer = Writer(worker.app.backend, stored=self._finish)
        self._fast_backend = isinstance(worker.app.backend, RedisBackend)
        self._room.start()
        self._writer.start()
        # Claim enough for every lane to be busy with one full pass while the next one waits.
        # At least one: zero would be no limit at all.
        wanted = 2 * engine.max_batch * lanes
        worker.consumer.prefetch_multiplier = max(1, wanted // worker.concurrency)
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
        dispatcher = worker.consumer.event_dispatcher
        self._events = EventFlush(dispatcher, hub) if dispatcher else None

    def stop(self, worker: Any) -> None:
        """Finish what is claimed, within the time allowed; the rest goes back to the queue."""
        deadline = monotonic() + self._settings.shutdown_s
        while self._admitted and (left := deadline - monotonic()) > 0:
            # The hub has stopped and this is its thread: announce from here.
            self._bell.wait(left)
            self._announce()
        if self._admitted:
            logger.warning("%d requests unfinished at shutdown go back", self._admitted)
            self.terminate(worker)
            return
        self._room.close()
        self._writer.close()
        for result in list(self._slow):
            result.wait(max(0.0, deadline - monotonic()))
        if self._events is not None:
            self._events.flush()

    def terminate(self, worker: Any) -> None:
        self._room.abandon()

    def info(self, worker: Any) -> dict[str, Any]:
        return {"engine_room": {**self._room.stats(), "claimed": self._admitted}}

    # On the hub thread -------------------------------------------------------------------------

    def admit(self, request: Any) -> None:
        """Take a request that is due; Celery's strategy calls this."""
        self._admitted += 1
        request.on_accepted(os.getpid(), monotonic())
        parcel = Parcel(request, many=request.task.many)
        try:
            images = request.task.images(request.args, request.kwargs)
        except BadMessage as error:
            parcel.refused = error.with_traceback(None)
            images = []
        parcel.jobs = [Job(image, parcel) for image in images]
        parcel.open = len(parcel.jobs)
        if parcel.jobs:
            self._room.submit(parcel.jobs)
        else:
            self._pass_on([parcel])

    def _announce(self) -> None:
        """Tell Celery and the broker what became of finished parcels."""
        self._bell.hush()
        while self._finished:
            for parcel in self._finished.popleft():
                self._admitted -= 1
                try:
                    self._conclude(parcel.request, parcel.outcome)
                except Exception:
                    logger.exception("Announcing %s failed", parcel.request.id)

    def _conclude(self, request: Any, outcome: Outcome) -> None:
        if outcome.dropped:
            # Celery's own way with what is revoked or expired: result, event, acknowledgement.
            if not request.revoked():
                logger.error("%s was not read, and is not revoked: it goes back", request)
                request.reject(requeue=True)
        elif not self._is_plain(request):
            self._execute(request, outcome)
        elif outcome.error is None:
            task_ready(request, successful=True)
            request.acknowledge()
            request.send_event(
                "task-succeeded",
                result=request.task.describe(outcome.result),
                runtime=time() - request.time_start,
            )
        else:
            logger.info("%s failed: %r", request, outcome.error)
            task_ready(request)
            request.acknowledge()
            shown = repr(outcome.error)
            request.send_event("task-failed", exception=shown, traceback=shown)

    def _execute(self, request: Any, outcome: Outcome) -> None:
        """Ordinary execution with the outcome known: storage, links, chords, signals, all of it."""
        request.request_dict["outcome"] = outcome
        try:
            result = request.execute_using_pool(self._worker.pool)
        except TaskRevokedError:
            return
        future = getattr(result, "f", None)
        if future is not None:
            self._slow.add(result)
            future.add_done_callback(lambda done: self._executed(request, result, done))

    def _executed(self, request: Any, result: Any, future: Any) -> None:
        """On the pool's thread, which would keep an exception to itself."""
        self._slow.discard(result)
        if not future.cancelled() and (error := future.exception()) is not None:
            logger.error("Executing %s failed", request.id, exc_info=error)

    # On threads of the room and the writer -----------------------------------------------------

    def _read(self, jobs: Sequence[Job]) -> None:
        """The room is done with these; a parcel goes on with the last of its captchas."""
        complete = []
        with self._counting:
            for job in jobs:
                job.parcel.open -= 1
                if not job.parcel.open:
                    complete.append(job.parcel)
        self._pass_on(complete)

    def _pass_on(self, parcels: Sequence[Parcel]) -> None:
        """What only has to be stored is stored first; the rest is the hub thread's."""
        plain: list[Parcel] = []
        rest: list[Parcel] = []
        for parcel in parcels:
            dropped = parcel.close().dropped
            only_stored = not dropped and self._is_plain(parcel.request)
            (plain if only_stored else rest).append(parcel)
        if plain:
            self._writer.put(plain)
        if rest:
            self._finish(rest)

    def _finish(self, parcels: Sequence[Parcel]) -> None:
        self._finished.append(parcels)
        self._bell.ring()

    def _is_plain(self, request: Any) -> bool:
        """Whether to store and to announce is all there is to do for it."""
        _, _, embed = request._payload
        return self._fast_backend and not (
            any((embed or {}).values()) or any(signal.receivers for signal in _SIGNALS)
        )
