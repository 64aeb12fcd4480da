"""Where requests are taken in, and where it is told what became of them.

::

    hub thread      admit: arguments ──────────────────────────────────────────┐
    engine room             ┌── a pass begins ──┐             decode, read     │
    suspects                │                   │     the same, one at a time  │
    hub thread              │             task-started                         │
    writer                  └── stored ─────────┐             one pipeline     │
    hub thread      conclude: task ready, acknowledge, task-succeeded

Celery's worker state is not locked in hub mode; it is touched on the hub thread only. The other
threads leave what they have to say in an inbox and ring the waker.
"""

import logging
import os
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from threading import Lock
from time import monotonic
from typing import Any, Protocol

from celery import signals
from celery.backends.redis import RedisBackend

from tilefleet import wire
from tilefleet.errors import BadMessage, EngineError, UnknownModel, reason
from worker.engine_room.job import Delivery, Job, Trace
from worker.engine_room.room import EngineRoom
from worker.hub.execution import Execution
from worker.hub.waker import Waker
from worker.results import failure
from worker.results.quarantine import Quarantine
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


class Tracing(Protocol):
    """Who is told of what is traced (`worker.monitoring.tracing`)."""

    def begin(self, delivery: Delivery) -> None:
        """It was claimed: sets its trace if its sender wants one."""

    def end(self, delivery: Delivery, trace: Trace) -> None:
        """It is done with, and has its outcome and its jobs still."""


#: What other threads have the hub thread do, and with which deliveries.
_HubCall = tuple[Callable[[Sequence[Delivery]], None], Sequence[Delivery]]


#: One who has nothing to say.
_ONCE: Sequence[Any] = (None,)


def _tell_all(
    type: str, told: Sequence[tuple[Any, Any]], fields: Callable[[Any, float], Mapping[str, Any]]
) -> None:
    """An event of each of these requests, with what its fields are made of."""
    # Those of an earlier connection have its own.
    for teller, some in groupby(told, lambda each: each[0].teller):
        if teller is not None:
            teller.tell_all(type, [(request.id, about) for request, about in some], fields)


def _nothing(_: None, told: float) -> dict[str, Any]:
    return {}


def _succeeded(about: tuple[str, float], told: float) -> dict[str, Any]:
    shown, started = about
    return {"result": shown, "runtime": told - started}


class Coordinator:
    """The hub thread's side of the engine room."""

    def __init__(self, worker: Any) -> None:
        self.waker = Waker()
        #: Requests that are not concluded.
        self.claimed = 0
        #: Captchas that failed, by the class of their error.
        self.errors: Counter[str] = Counter()
        #: What became of captchas: answered, dropped, or the error's class, after the name of the
        #: model that they were bound to.
        self.outcomes: Counter[tuple[str, str]] = Counter()
        #: Captchas that were answered, and those that nobody wanted any more.
        self.answered = self.dropped = 0
        #: When the hub's loop turned last, by the monotonic clock.
        self.turned = monotonic()
        self._worker = worker
        self._admitted: list[Delivery] = []
        self._inbox: deque[_HubCall] = deque()
        self._execution = Execution(worker, failed=self._execution_failed)
        self._tracing: Tracing | None = None
        self._failed: Callable[[Delivery], None] | None = None
        self._counting = Lock()
        self._fast_backend = isinstance(worker.app.backend, RedisBackend)

    def open(
        self,
        room: EngineRoom,
        writer: Writer,
        quarantine: Quarantine,
        *,
        tracing: Tracing | None = None,
        failed: Callable[[Delivery], None] | None = None,
    ) -> None:
        """Say where requests go from here, and who is told of those that are traced or fail."""
        self._room, self._writer, self._quarantine = room, writer, quarantine
        self._tracing, self._failed = tracing, failed

    # On the hub thread ---------------------------------------------------------------------------

    @property
    def only_answers(self) -> bool:
        """Whether nobody has to be told of requests but who wants their results."""
        return self._fast_backend and not any(signal.receivers for signal in _SIGNALS)

    def admit_all(self, requests: Sequence[Any]) -> None:
        """Take requests that are due and came together; the short way calls this."""
        for request in requests:
            try:
                self.admit(request)
            except Exception as error:
                # The others are claimed, too.
                self._give_up(Delivery(request), error)
        self.hand_on()

    def admit(self, request: Any) -> None:
        """Take a request that is due; Celery's strategy calls this."""
        lane = request.delivery_info.get("routing_key")
        bulk, model = wire.is_bulk(lane), wire.model_of(lane)
        lacks = bool(model) and self._room.held.get(model) is None
        came_back = bool(request.delivery_info.get("redelivered"))
        if lacks and not came_back and lane not in self._worker.app.amqp.queues.consume_from:
            # It was claimed while its model was held: for whoever holds it, or to fail here.
            request.ready()
            request.reject(requeue=True)
            return
        self.claimed += 1
        delivery = Delivery(request, many=request.task.many)
        if self._tracing is not None:
            self._tracing.begin(delivery)
        try:
            if lacks:
                raise UnknownModel.of(model, self._room.held.names)
            images = request.task.images(request.args, request.kwargs)
        except (BadMessage, UnknownModel) as error:
            delivery.refused = error.with_traceback(None)
            images = []
        trace = delivery.trace
        digest = request.digest
        delivery.jobs = [
            Job(image, delivery, bulk=bulk, trace=trace, digest=digest) for image in images
        ]
        self._room.held.bind(delivery.jobs, model)
        delivery.open = len(delivery.jobs)
        if not delivery.jobs:
            self._pass_on([delivery], self._writer.put)
        elif came_back and self._fast_backend:
            self._quarantine.put(delivery)
        else:
            self._admitted.append(delivery)
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
        for bulk in (False, True):
            jobs = [job for delivery in admitted for job in delivery.jobs if job.bulk is bulk]
            if jobs:
                self._room.submit(jobs, bulk=bulk)

    def announce(self) -> None:
        """Do what the other threads have left to do."""
        self.waker.drain()
        while self._inbox:
            call, deliveries = self._inbox.popleft()
            try:
                call(deliveries)
            except Exception:
                logger.exception("What another thread has left to do failed")

    def on_hub(self, call: Callable[[], None]) -> None:
        """Have the hub thread do this soon; for any thread. An exception of it is logged only."""
        self._inbox.append((lambda _: call(), _ONCE))
        self.waker.wake()

    def wait_for_executing(self, deadline: float) -> None:
        self._execution.wait(deadline)

    def _accept(self, deliveries: Sequence[Delivery]) -> None:
        accepted = []
        for delivery in deliveries:
            try:
                if self._accept_one(delivery):
                    accepted.append((delivery.request, None))
            except Exception:
                logger.exception("Announcing %s failed", delivery)
        _tell_all("task-started", accepted, _nothing)

    def _accept_one(self, delivery: Delivery) -> bool:
        """Whether that is to be told."""
        request = delivery.request
        if request.time_start is not None:
            return False
        if len(delivery.jobs) == 1:
            request.digest = delivery.jobs[0].digest
        accepted: bool = request.accept(os.getpid(), delivery.begun or monotonic())
        return accepted

    def _conclude(self, deliveries: Sequence[Delivery]) -> None:
        only_answers, succeeded = self.only_answers, []
        for delivery in deliveries:
            try:
                if self._conclude_one(delivery, only_answers=only_answers):
                    request = delivery.request
                    shown = request.task.describe(delivery.outcome.result)
                    succeeded.append((request, (shown, request.time_start)))
            except Exception as error:
                self._give_up(delivery, error)
        _tell_all("task-succeeded", succeeded, _succeeded)

    def _conclude_one(self, delivery: Delivery, *, only_answers: bool) -> bool:
        """Whether it is to be told that it succeeded."""
        self.claimed -= 1
        request, outcome = delivery.request, delivery.outcome
        if self._tracing is not None and delivery.trace is not None:
            self._tracing.end(delivery, delivery.trace)
        if not outcome.dropped and self._accept_one(delivery):
            request.send_event("task-started")
        # A job refers to its delivery: as a circle they would keep message and image until the next
        # collection, many captchas later.
        delivery.jobs = []
        if outcome.dropped:
            # Celery's own way with what is revoked or expired: result, event, acknowledgement.
            if not request.revoked():
                logger.error("%s was not read, and is not revoked: it goes back", request)
                request.reject(requeue=True)
        elif not (only_answers and request.alone):
            self._execution.begin(delivery)
        elif outcome.error is None:
            request.ready(successful=True)
            request.acknowledge_here()
            request.forget()
            return True
        else:
            logger.info("%s failed: %r", request, outcome.error)
            request.ready()
            request.acknowledge_here()
            if self._failed is not None:
                self._failed(delivery)
            shown = repr(outcome.error)
            request.send_event("task-failed", exception=shown, traceback=shown)
        return False

    def _give_up(self, delivery: Delivery, error: BaseException) -> None:
        """What it asks for beside its result cannot be done; it must not stay claimed for ever."""
        request, why = delivery.request, reason(error)
        logger.error("Concluding %s failed", request, exc_info=error)
        if request.acknowledged:
            return
        request.ready()
        failed = EngineError(f"the captcha was read, but not what else was asked for: {why}")
        if failure.store(self._worker.app.backend, request.id, failed):
            request.acknowledge_here()
            shown = repr(failed)
            request.send_event("task-failed", exception=shown, traceback=shown)
        else:
            request.reject(requeue=True)

    # On threads of the room, the suspects and the writer -----------------------------------------

    def started(self, jobs: Sequence[Job]) -> None:
        """A pass begins with these."""
        now = monotonic()
        begun = []
        for job in jobs:
            for each in (job, *job.followers):
                if not each.delivery.begun:
                    each.delivery.begun = now
                    begun.append(each.delivery)
        # Do not wake the hub: it would take CPU from the pass. The event flush, within 50 ms, runs
        # this inbox too.
        if begun:
            self._inbox.append((self._accept, begun))

    def read(self, jobs: Sequence[Job]) -> None:
        """The room is done with these; a delivery goes on with the last of its captchas."""
        complete = []
        with self._counting:
            for job in jobs:
                if job.error is not None:
                    outcome = type(job.error).__name__
                    self.errors[outcome] += 1
                elif job.answer is not None:
                    outcome = "answered"
                    self.answered += 1
                elif not job.delivery.outcome.stored:
                    outcome = "dropped"
                    self.dropped += 1
                else:
                    outcome = ""
                if outcome:
                    self.outcomes[job.held.name, outcome] += 1
                job.delivery.open -= 1
                if not job.delivery.open:
                    complete.append(job.delivery)
        # A thread that has nothing else to do writes by itself.
        idle = not self._room.waiting
        self._pass_on(complete, self._writer.write if idle else self._writer.put)

    def _execution_failed(self, delivery: Delivery, error: BaseException) -> None:
        """On a thread of the pool."""
        self._post(lambda _: self._give_up(delivery, error), [delivery])

    def stored(self, deliveries: Sequence[Delivery]) -> None:
        """Their results are written."""
        self._post(self._conclude, deliveries)

    def _pass_on(
        self, deliveries: Sequence[Delivery], write: Callable[[Sequence[Delivery]], None]
    ) -> None:
        """What only has to be stored is stored first; the rest is the hub thread's."""
        to_store: list[Delivery] = []
        rest: list[Delivery] = []
        only_answers = self.only_answers
        for delivery in deliveries:
            outcome = delivery.close()
            if outcome.error is not None and not delivery.jobs:
                self.errors[type(outcome.error).__name__] += 1
            store = only_answers and delivery.request.alone
            store = store and not (outcome.dropped or outcome.stored)
            (to_store if store else rest).append(delivery)
        if to_store:
            write(to_store)
        self._post(self._conclude, rest)

    def _post(
        self, call: Callable[[Sequence[Delivery]], None], deliveries: Sequence[Delivery]
    ) -> None:
        if deliveries:
            self._inbox.append((call, deliveries))
            self.waker.wake()

    def is_plain(self, delivery: Delivery) -> bool:
        """Whether to store and to announce is all there is to do for it."""
        return self.only_answers and delivery.request.alone
