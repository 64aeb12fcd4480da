"""Where requests are taken in, and where it is told what became of them.

::

    hub thread      admit: arguments ──────────────────────────────────────────┐
    engine room             ┌── a pass begins ──┐             decode, read     │
    suspects                │                   │     the same, one at a time  │
    hub thread              │             task-started                         │
    writer                  └── stored ─────────┐             one pipeline     │
    hub thread      conclude: task ready, acknowledge, task-succeeded

Celery's worker state is not locked in hub mode; it is touched on the hub thread only. The other
threads leave what they have to say in an inbox and ring the bell.
"""

import logging
import os
from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import partial
from threading import Lock
from time import monotonic, time
from typing import Any

from celery import signals
from celery.backends.redis import RedisBackend
from celery.exceptions import TaskRevokedError
from celery.worker.state import task_ready

from tilefleet import wire
from tilefleet.errors import BadMessage, EngineError, reason
from worker.engine_room.job import Job, Parcel
from worker.engine_room.room import EngineRoom
from worker.hub.waker import Bell
from worker.results import failure
from worker.results.quarantine import Suspects
from worker.results.writer import Writer

logger = logging.getLogger(__name__)

#: Receivers of these expect to run around the task, in Celery's order.
_SIGNALS = (
    signals.task_prerun,
    signals.task_postrun,
    signals.task_success,
    signals.task_failure,
)

#: Admitted captchas that do not wait for the rest of their claim to be handed to the engine room.
_MOST_ADMITTED = 16

#: What other threads have the hub thread do, and with which parcels.
_Errand = tuple[Callable[[Parcel], None], Sequence[Parcel]]


class Reception:
    """The hub thread's side of the engine room."""

    def __init__(self, worker: Any) -> None:
        self.bell = Bell()
        #: Requests that are not concluded.
        self.claimed = 0
        #: Captchas that failed, by the class of their error.
        self.errors: Counter[str] = Counter()
        #: Captchas that were answered, and those that nobody wanted any more.
        self.answered = self.dropped = 0
        #: When the hub's loop turned last, by the monotonic clock.
        self.turned = monotonic()
        self._worker = worker
        self._admitted: list[Parcel] = []
        self._inbox: deque[_Errand] = deque()
        self._executing: set[Any] = set()
        self._counting = Lock()
        self._fast_backend = isinstance(worker.app.backend, RedisBackend)

    def open(self, room: EngineRoom, writer: Writer, suspects: Suspects) -> None:
        """Say where requests go from here."""
        self._room, self._writer, self._suspects = room, writer, suspects

    # On the hub thread ---------------------------------------------------------------------------

    def admit(self, request: Any) -> None:
        """Take a request that is due; Celery's strategy calls this."""
        self.claimed += 1
        parcel = Parcel(request, many=request.task.many)
        later = request.delivery_info.get("routing_key") == wire.BULK_LANE
        try:
            images = request.task.images(request.args, request.kwargs)
        except BadMessage as error:
            parcel.refused = error.with_traceback(None)
            images = []
        parcel.jobs = [Job(image, parcel, later=later) for image in images]
        parcel.open = len(parcel.jobs)
        if not parcel.jobs:
            self._pass_on([parcel])
        elif request.delivery_info.get("redelivered") and self._fast_backend:
            self._suspects.put(parcel)
        else:
            self._admitted.append(parcel)
            if len(self._admitted) >= _MOST_ADMITTED:
                self.hand_on()

    def turn(self) -> None:
        """On every turn of the hub's loop."""
        self.turned = monotonic()
        if self._admitted:
            self.hand_on()
        if self._inbox:
            self.announce()

    def hand_on(self) -> None:
        """Give what was admitted to the engine room; on the loop's next turn at the latest.

        Together: a decoder that is woken for each of them costs more than decoding takes to begin.
        """
        admitted, self._admitted = self._admitted, []
        for later in (False, True):
            jobs = [job for parcel in admitted for job in parcel.jobs if job.later is later]
            if jobs:
                self._room.submit(jobs, later=later)

    def announce(self) -> None:
        """Do what the other threads have left to do."""
        self.bell.hush()
        while self._inbox:
            errand, parcels = self._inbox.popleft()
            for parcel in parcels:
                try:
                    errand(parcel)
                except Exception as error:
                    if errand == self._conclude:
                        self._give_up(parcel, error)
                    else:
                        logger.exception("Announcing %s failed", parcel)

    def wait_for_executing(self, deadline: float) -> None:
        for result in list(self._executing):
            result.wait(max(0.0, deadline - monotonic()))

    def _accept(self, parcel: Parcel) -> None:
        if parcel.request.time_start is None:
            parcel.request.on_accepted(os.getpid(), parcel.begun or monotonic())

    def _conclude(self, parcel: Parcel) -> None:
        self.claimed -= 1
        request, outcome = parcel.request, parcel.outcome
        # Jobs know their parcel: as a circle they would keep message and image until the collector
        # comes by, many captchas later.
        parcel.jobs = []
        if outcome.dropped:
            # Celery's own way with what is revoked or expired: result, event, acknowledgement.
            if not request.revoked():
                logger.error("%s was not read, and is not revoked: it goes back", request)
                request.reject(requeue=True)
            return
        self._accept(parcel)
        if not self._is_plain(request):
            self._execute(parcel)
        elif outcome.error is None:
            task_ready(request, successful=True)
            request.acknowledge_here()
            request.send_event(
                "task-succeeded",
                result=request.task.describe(outcome.result),
                runtime=time() - request.time_start,
            )
        else:
            logger.info("%s failed: %r", request, outcome.error)
            task_ready(request)
            request.acknowledge_here()
            shown = repr(outcome.error)
            request.send_event("task-failed", exception=shown, traceback=shown)

    def _give_up(self, parcel: Parcel, error: BaseException) -> None:
        """What it asks for beside its result cannot be done; it must not stay claimed for ever."""
        request, why = parcel.request, reason(error)
        logger.error("Concluding %s failed", request, exc_info=error)
        if request.acknowledged:
            return
        task_ready(request)
        failed = EngineError(f"the captcha was read, but not what else was asked for: {why}")
        if failure.store(self._worker.app.backend, request.id, failed):
            request.acknowledge_here()
            shown = repr(failed)
            request.send_event("task-failed", exception=shown, traceback=shown)
        else:
            request.reject(requeue=True)

    def _execute(self, parcel: Parcel) -> None:
        """Ordinary execution with the outcome known: storage, links, chords, signals, all of it."""
        request, outcome = parcel.request, parcel.outcome
        request.request_dict["outcome"] = outcome
        try:
            result = request.execute_using_pool(self._worker.pool)
        except TaskRevokedError:
            return
        future = getattr(result, "f", None)
        if future is not None:
            self._executing.add(result)
            future.add_done_callback(lambda done: self._executed(parcel, result, done))

    def _executed(self, parcel: Parcel, result: Any, future: Any) -> None:
        """On the pool's thread, which would keep an exception to itself."""
        self._executing.discard(result)
        if not future.cancelled() and (error := future.exception()) is not None:
            self._leave(partial(self._give_up, error=error), [parcel])

    # On threads of the room, the suspects and the writer -----------------------------------------

    def started(self, jobs: Sequence[Job]) -> None:
        """A pass begins with these."""
        now = monotonic()
        begun = []
        for job in jobs:
            for each in (job, *job.twins):
                if not each.parcel.begun:
                    each.parcel.begun = now
                    begun.append(each.parcel)
        # Without the bell, which would have the hub work while they are read: the turn that flushes
        # the event of their arrival comes within 50 ms.
        if begun:
            self._inbox.append((self._accept, begun))

    def read(self, jobs: Sequence[Job]) -> None:
        """The room is done with these; a parcel goes on with the last of its captchas."""
        complete = []
        with self._counting:
            for job in jobs:
                if job.error is not None:
                    self.errors[type(job.error).__name__] += 1
                elif job.answer is not None:
                    self.answered += 1
                elif not job.parcel.outcome.stored:
                    self.dropped += 1
                job.parcel.open -= 1
                if not job.parcel.open:
                    complete.append(job.parcel)
        self._pass_on(complete)

    def stored(self, parcels: Sequence[Parcel]) -> None:
        """Their results are written."""
        self._leave(self._conclude, parcels)

    def _pass_on(self, parcels: Sequence[Parcel]) -> None:
        """What only has to be stored is stored first; the rest is the hub thread's."""
        to_store: list[Parcel] = []
        rest: list[Parcel] = []
        for parcel in parcels:
            outcome = parcel.close()
            if isinstance(outcome.error, BadMessage) and not parcel.jobs:
                self.errors[type(outcome.error).__name__] += 1
            store = self._is_plain(parcel.request) and not (outcome.dropped or outcome.stored)
            (to_store if store else rest).append(parcel)
        if to_store:
            self._writer.put(to_store)
        self._leave(self._conclude, rest)

    def _leave(self, errand: Callable[[Parcel], None], parcels: Sequence[Parcel]) -> None:
        if parcels:
            self._inbox.append((errand, parcels))
            self.bell.ring()

    def is_plain(self, parcel: Parcel) -> bool:
        return self._is_plain(parcel.request)

    def _is_plain(self, request: Any) -> bool:
        """Whether to store and to announce is all there is to do for it."""
        return (
            request.alone
            and self._fast_backend
            and not any(signal.receivers for signal in _SIGNALS)
        )
