"""What is said of requests, and done with them, once a pass begins and once their outcome is known.

On the hub thread only, where Celery's worker state may be touched.
"""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from time import monotonic
from typing import Any, Protocol

from celery import signals
from celery.backends.redis import RedisBackend

from tilefleet.errors import EngineError, reason
from worker.engine_room.job import Delivery, Trace
from worker.hub.execution import Execution
from worker.hub.inbox import Inbox
from worker.results import failure

logger = logging.getLogger(__name__)

#: Receivers of these expect to run around the task, in Celery's order.
_SIGNALS = (
    signals.task_prerun,
    signals.task_postrun,
    signals.task_success,
    signals.task_failure,
)


class Tracing(Protocol):
    """Who is told of what is traced (`worker.monitoring.tracing`)."""

    def begin(self, delivery: Delivery) -> None:
        """It was claimed: sets its trace if its sender wants one."""

    def end(self, delivery: Delivery, trace: Trace) -> None:
        """It is done with, and has its outcome and its jobs still."""


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


class Conclusion:
    """Acknowledges, tells, and counts what is still to be concluded."""

    def __init__(self, worker: Any, inbox: Inbox) -> None:
        #: Requests that are not concluded; who admits one adds it.
        self.claimed = 0
        #: Whether results are in Redis, where we write and look them up ourselves.
        self.fast_backend = isinstance(worker.app.backend, RedisBackend)
        #: Who is told of those that are traced, and of captchas that fail: a request, and why.
        self.tracing: Tracing | None = None
        self.failed: Callable[[Any, Exception], None] | None = None
        self._worker = worker
        self._inbox = inbox
        self._execution = Execution(worker, failed=self._execution_failed)

    @property
    def only_answers(self) -> bool:
        """Whether nobody has to be told of requests but who wants their results."""
        return self.fast_backend and not any(signal.receivers for signal in _SIGNALS)

    def accept(self, deliveries: Sequence[Delivery]) -> None:
        """A pass has begun with these, or they are read alone."""
        accepted, pid = [], os.getpid()
        for delivery in deliveries:
            try:
                if self._accept_one(delivery, pid):
                    accepted.append((delivery.request, None))
            except Exception:
                logger.exception("Announcing %s failed", delivery)
        _tell_all("task-started", accepted, _nothing)

    def _accept_one(self, delivery: Delivery, pid: int) -> bool:
        """Whether that is to be told."""
        request = delivery.request
        if request.time_start is not None:
            return False
        if len(delivery.jobs) == 1:
            request.digest = delivery.jobs[0].digest
        accepted: bool = request.accept(pid, delivery.begun or monotonic())
        return accepted

    def conclude(self, deliveries: Sequence[Delivery]) -> None:
        """The outcome of these is known, and stored where that is all there is to do."""
        only_answers, succeeded = self.only_answers, []
        for delivery in deliveries:
            try:
                if self._conclude_one(delivery, only_answers=only_answers):
                    request = delivery.request
                    shown = delivery.shown or request.task.describe(delivery.outcome.result)
                    succeeded.append((request, (shown, request.time_start)))
            except Exception as error:
                self.give_up(delivery, error)
        _tell_all("task-succeeded", succeeded, _succeeded)

    def _conclude_one(self, delivery: Delivery, *, only_answers: bool) -> bool:
        """Whether it is to be told that it succeeded."""
        self.claimed -= 1
        request, outcome = delivery.request, delivery.outcome
        if self.tracing is not None and delivery.trace is not None:
            self.tracing.end(delivery, delivery.trace)
        if self.failed is not None and delivery.many:
            for error in delivery.errors():
                self.failed(request, error)
        if not outcome.dropped and self._accept_one(delivery, os.getpid()):
            request.send_event("task-started")
        # A job refers to its delivery: as a circle they would keep message and image until the next
        # collection, many captchas later.
        delivery.jobs = []
        if outcome.dropped:
            # Celery's own way with what is revoked or expired: result, event, acknowledgement.
            if not request.revoked():
                logger.error("%s was not read, and is not revoked: it goes back", request)
                request.reject(requeue=True)
            request.forget()
        elif not (delivery.shown or (only_answers and request.alone)):
            # What was stored before somebody began to listen is not executed.
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
            if self.failed is not None:
                self.failed(request, outcome.error)
            shown = repr(outcome.error)
            request.send_event("task-failed", exception=shown, traceback=shown)
            request.forget()
        return False

    def dismissed(self, done: Callable[[], None]) -> None:
        """It is stored that one is not read."""
        self.claimed -= 1
        done()

    def give_up(self, delivery: Delivery, error: BaseException) -> None:
        """Its links, chord or callbacks raised: store a failure and acknowledge, or the message
        would stay claimed for ever."""
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

    def wait_for_executing(self, deadline: float) -> None:
        """`deadline`: by the monotonic clock."""
        self._execution.wait(deadline)

    def _execution_failed(self, delivery: Delivery, error: BaseException) -> None:
        """On a thread of the pool."""
        self._inbox.post(lambda _: self.give_up(delivery, error), [delivery])
