"""Admits requests to the engine room, and has them concluded: results, acknowledgements, events.

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

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from threading import Lock
from time import monotonic
from typing import Any

from tilefleet import wire
from tilefleet.errors import BadMessage, UnknownModel
from worker.engine_room.job import Delivery, Job
from worker.engine_room.room import EngineRoom
from worker.hub.conclusion import Conclusion, Tracing
from worker.hub.inbox import Inbox
from worker.hub.waker import Waker
from worker.results.dismissals import Dismissals
from worker.results.quarantine import Quarantine
from worker.results.writer import Writer

#: Admitted captchas that do not wait for the rest of their claim to be handed to the engine room.
_MOST_ADMITTED = 16


class Coordinator:
    """The hub thread's side of the engine room."""

    def __init__(self, worker: Any) -> None:
        self.waker = Waker()
        #: Captchas that failed, by the class of their error.
        self.errors: Counter[str] = Counter()
        #: What became of captchas: answered, dropped, or the error's class, after the name of the
        #: model that they were bound to.
        self.outcomes: Counter[tuple[str, str]] = Counter()
        #: Captchas that were answered, and those that nobody wanted any more.
        self.answered = self.dropped = 0
        #: Where outcomes of what is not read are stored.
        self.dismissals = Dismissals()
        #: When the hub's loop turned last, by the monotonic clock.
        self.turned = monotonic()
        self._worker = worker
        self._admitted: list[Delivery] = []
        self._inbox = Inbox(self.waker)
        self._conclusion = Conclusion(worker, self._inbox)
        self._counting = Lock()
        self._tracing: Tracing | None = None

    def open(
        self,
        room: EngineRoom,
        writer: Writer,
        quarantine: Quarantine,
        *,
        tracing: Tracing | None = None,
        failed: Callable[[Any, Exception], None] | None = None,
    ) -> None:
        """Say where requests go from here, and who is told of those that are traced or fail."""
        self._room, self._writer, self._quarantine = room, writer, quarantine
        self._tracing = self._conclusion.tracing = tracing
        self._conclusion.failed = failed

    @property
    def claimed(self) -> int:
        """Requests that are not concluded."""
        return self._conclusion.claimed

    @property
    def only_answers(self) -> bool:
        """Whether nobody has to be told of requests but who wants their results."""
        return self._conclusion.only_answers

    # On the hub thread ---------------------------------------------------------------------------

    def admit_all(self, requests: Sequence[Any]) -> None:
        """Take requests that are due and came together; the short way calls this."""
        for request in requests:
            try:
                self.admit(request)
            except Exception as error:
                # The others are claimed, too.
                self._conclusion.give_up(Delivery(request), error)
        self.hand_on()

    def admit(self, request: Any) -> None:
        """Take a request that is due; Celery's strategy calls this."""
        info, task = request.delivery_info, request.task
        lane = info.get("routing_key")
        bulk, model = wire.is_bulk(lane), wire.model_of(lane)
        lacks = bool(model) and self._room.held.get(model) is None
        came_back = bool(info.get("redelivered"))
        if lacks and not came_back and lane not in self._worker.app.amqp.queues.consume_from:
            # It was claimed while its model was held: for whoever holds it, or to fail here.
            request.ready()
            request.reject(requeue=True)
            return
        delivery = Delivery(request, many=task.many)
        if self._tracing is not None:
            self._tracing.begin(delivery)
        try:
            if lacks:
                raise UnknownModel.of(model, self._room.held.names)
            images = task.images(request.args, request.kwargs)
        except (BadMessage, UnknownModel) as error:
            delivery.refused = error.with_traceback(None)
            images = []
        trace, now = delivery.trace, monotonic()
        digest, alone = request.digest, not task.many
        delivery.jobs = [
            Job(
                image,
                delivery,
                bulk=bulk,
                arrived=now,
                trace=trace,
                digest=digest,
                told_by_digest=alone,
            )
            for image in images
        ]
        self._room.held.bind(delivery.jobs, model)
        delivery.open = len(delivery.jobs)
        # From here on it is concluded, whatever happens.
        self._conclusion.claimed += 1
        if came_back and self._conclusion.fast_backend:
            # What is refused here may be answered already.
            self._quarantine.put(delivery)
        elif not delivery.jobs:
            self.refused(delivery)
        else:
            self._admitted.append(delivery)
            if len(self._admitted) >= _MOST_ADMITTED:
                self.hand_on()

    def dismiss(self, store: Callable[[], object], done: Callable[[], None]) -> None:
        """Have it stored that a task is not read, on another thread; then this done, on this."""
        self._conclusion.claimed += 1
        conclude = partial(self._conclusion.dismissed, done)
        self.dismissals.put(store, partial(self.on_hub, conclude))

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
        self._inbox.go_through()

    def on_hub(self, call: Callable[[], None]) -> None:
        """Have the hub thread do this soon; for any thread. An exception of it is logged only."""
        self._inbox.do(call)

    def wait_for_executing(self, deadline: float) -> None:
        self._conclusion.wait_for_executing(deadline)

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
        self._inbox.leave(self._conclusion.accept, begun)

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

    def refused(self, delivery: Delivery) -> None:
        """There is nothing to read in it."""
        self._pass_on([delivery], self._writer.put)

    def stored(self, deliveries: Sequence[Delivery]) -> None:
        """Their results are written."""
        self._inbox.post(self._conclusion.conclude, deliveries)

    def _pass_on(
        self, deliveries: Sequence[Delivery], write: Callable[[Sequence[Delivery]], None]
    ) -> None:
        """What only has to be stored is stored first; the rest is the hub thread's."""
        to_store: list[Delivery] = []
        rest: list[Delivery] = []
        only_answers = self.only_answers
        for delivery in deliveries:
            outcome = delivery.close()
            if outcome.error is not None and not (delivery.jobs or outcome.stored):
                self.errors[type(outcome.error).__name__] += 1
            store = only_answers and delivery.request.alone
            store = store and not (outcome.dropped or outcome.stored)
            (to_store if store else rest).append(delivery)
            if store and outcome.error is None:
                # Here, where what it is made of is in the caches, and can go once it is encoded.
                delivery.shown = delivery.request.task.describe(outcome.result)
        if to_store:
            write(to_store)
        self._inbox.post(self._conclusion.conclude, rest)

    def is_plain(self, delivery: Delivery) -> bool:
        """Whether to store and to announce is all there is to do for it."""
        return self.only_answers and delivery.request.alone
