"""The short way: plain captchas from a claim to the engine room, many at once.

::

    claim's reply ──→ plain ──→ requests, together: task-received, reserved, admitted
                  └─→ all else: kombu's message, Celery's request and strategy

Whether a message is plain is in it (`plain_message`); whether the worker has anything to do with
plain ones but to answer them is decided once for each claim. What Celery's strategy does for a
request that is due is done here in the same order.
"""

import logging
from datetime import timedelta
from time import time
from typing import Any, Final, Protocol

from celery import signals
from celery.app import trace
from celery.worker import request as celery_request
from celery.worker import strategy as celery_strategy
from celery.worker.state import revoked

from tilefleet import wire
from worker.intake.plain_message import read
from worker.intake.plain_request import PlainRequest, plain_requests

_LOG: Final = celery_strategy.logger
_DETAILS: Final = celery_request.logger


class Admission(Protocol):
    """Where requests go (`worker.hub.coordinator`)."""

    @property
    def only_answers(self) -> bool:
        """Whether nobody has to be told of them but who wants their results."""

    def admit_all(self, requests: list[PlainRequest]) -> None:
        """Take requests that are due."""


class PlainTaker:
    """What the channel asks (`worker.transport.short_way`); for one connection."""

    def __init__(self, consumer: Any, admission: Admission) -> None:
        self._consumer = consumer
        self._admission = admission
        self._clock = consumer.app.server_clock
        self._accept = frozenset(consumer.task_consumer.accept or ())
        tasks = (consumer.app.tasks[name] for name in (wire.TASK_SOLVE, wire.TASK_SOLVE_MANY))
        self._tasks = {task.name: (task, plain_requests(task, consumer)) for task in tasks}
        #: Of this claim: by their tasks, what messages become; what was taken; what the time is.
        self._open: dict[object, type[PlainRequest]] = {}
        self._taken: list[PlainRequest] = []
        self._now = 0.0
        self._qos: Any = None

    def begin(self, qos: Any) -> bool:
        """A claim's messages come; False: Celery has something to do with all of them."""
        if (
            self._consumer.on_task_message
            or signals.task_received.receivers
            or not self._admission.only_answers
            or _DETAILS.isEnabledFor(logging.DEBUG)
        ):
            return False
        self._open = {name: kind for name, (task, kind) in self._tasks.items() if self._may(task)}
        self._qos, self._now = qos, time()
        return bool(self._open)

    def take(self, tag: str, body: bytes, rest: dict[str, Any]) -> bool:
        """Whether it is plain; `rest`: its envelope."""
        message = read(body, rest, self._accept)
        kind = self._open.get(message.task) if message is not None else None
        if message is None or kind is None or message.id in revoked:
            return False
        expires = message.expires
        if expires is not None and self._clock.ahead_s:
            expires -= timedelta(seconds=self._clock.ahead_s)
        if expires is not None and expires.timestamp() < self._now:
            return False
        self._taken.append(kind(message, tag, self._qos, expires))
        return True

    def end(self) -> None:
        """Tell of what was taken, and have it read."""
        if not self._taken:
            return
        taken, self._taken = self._taken, []
        logs = _LOG.isEnabledFor(logging.INFO)
        for request in taken:
            if logs:
                _log(request)
            request.reserve()
        told = [(request.id, request) for request in taken if request.sends_events]
        if told:
            self._consumer.event_dispatcher.tell_all("task-received", told, _received)
        self._admission.admit_all(taken)

    def _may(self, task: Any) -> bool:
        """Whether nothing of the task's keeps its captchas from being read at once, and only so."""
        consumer = self._consumer
        limited = not consumer.disable_rate_limits and consumer.task_buckets[task.name]
        return bool(task.acks_late and not limited and not hasattr(task, "_orig_run"))


def _log(request: PlainRequest) -> None:
    """As Celery's strategy does."""
    context = {
        "id": request.id,
        "name": request.name,
        "args": request.argsrepr,
        "kwargs": request.kwargsrepr,
        "eta": request.eta,
    }
    _LOG.info(trace.LOG_RECEIVED, context, extra={"data": context})


def _received(request: PlainRequest, _: float) -> dict[str, Any]:
    """The event's fields, as Celery's strategy has them."""
    return {
        "name": request.name,
        "args": request.argsrepr,
        "kwargs": request.kwargsrepr,
        "root_id": request.root_id,
        "parent_id": request.parent_id,
        "retries": 0,
        "eta": None,
        "expires": request.expires and request.expires.isoformat(),
    }
