"""The request of a plain captcha: what Celery's commands and our coordinator ask one for.

It is made of a message's few fields, without kombu's `Message` and without Celery's constructor,
which reads, copies and checks what a plain message does not have. What Celery does with a request
that is in its sets (telling of it, revoking it) are its own methods still.
"""

import hashlib
from datetime import datetime
from time import monotonic, time
from typing import Any

from celery.worker import state

from worker.intake.plain_message import NO_EMBED, PlainMessage
from worker.intake.request import CaptchaRequest, describe, image


def plain_requests(task: Any, consumer: Any) -> type["PlainRequest"]:
    """The class of a task's requests on one connection, as Celery makes one, too."""
    constants = {
        "_app": consumer.app,
        "_task": task,
        "_type": task.name,
        "name": task.name,
        "_hostname": consumer.hostname,
        "_eventer": consumer.event_dispatcher,
        "_connection_errors": consumer.connection_errors,
    }
    return type("PlainRequest", (PlainRequest,), constants)


class PlainRequest(CaptchaRequest):
    """One of a task; what all of them have alike, their class has (`plain_requests`)."""

    alone = True
    # Celery's class has these in each request.
    _eta = None
    group = None
    _utc = True
    _decoded = True
    _content_type = _content_encoding = None
    _kwargsrepr = "{}"

    def __init__(self, message: PlainMessage, tag: str, qos: Any, expires: datetime | None) -> None:
        """`tag`: by which `qos` knows it. `expires`: by this machine's clock."""
        headers, properties = message.headers, message.properties
        info = properties["delivery_info"]
        self.id = message.id
        self._headers, self._properties = headers, properties
        self._tag, self._qos = tag, qos
        self._root_id, self._parent_id = headers.get("root_id"), headers.get("parent_id")
        ignored = headers.get("ignore_result")
        self._ignore_result = self._task.ignore_result if ignored is None else ignored
        self._expires = expires
        self._expires_at = None if expires is None else expires.timestamp()
        self._args = [message.argument]
        self._kwargs: dict[str, Any] = {}
        self._delivery_info = {
            "exchange": info.get("exchange"),
            "routing_key": info.get("routing_key"),
            "priority": properties.get("priority"),
            "redelivered": False,
        }
        self._described = ""
        self._fields: dict[str, Any] = {}

    @property
    def _argsrepr(self) -> str:  # type: ignore[override]
        """Hashed when somebody looks, unless the engine room has hashed it by then."""
        if not self._described and not self._args:
            assert self.digest is not None
            self._described = f"({image(self._size, self.digest)})"
        elif not self._described:
            (argument,) = self._args
            if self.digest is None and isinstance(argument, bytes):
                self.digest = hashlib.sha256(argument).digest()
            self._described = f"({describe(argument, self.digest)})"
        return self._described

    @property
    def _payload(self) -> Any:
        return self._args, self._kwargs, NO_EMBED

    _body = _payload

    @property
    def _request_dict(self) -> dict[str, Any]:
        """What Celery's constructor makes of the headers; for all who want more than an answer."""
        if not self._fields:
            properties = self._properties
            self._fields = {
                **self._headers,
                "properties": properties,
                "reply_to": properties.get("reply_to"),
                "correlation_id": properties.get("correlation_id"),
                "hostname": self._hostname,
                "delivery_info": self._delivery_info,
                "args": self._args,
                "kwargs": self._kwargs,
                "argsrepr": self._argsrepr,
                "kwargsrepr": self._kwargsrepr,
            }
        return self._fields

    def _on_ack(self, *_: Any) -> None:
        self._qos.ack(self._tag)

    def _on_reject(self, logger: Any, errors: Any, requeue: bool) -> None:
        try:
            self._qos.reject(self._tag, requeue=requeue)
        except errors as error:
            logger.critical("Couldn't reject %r, reason: %r", self._tag, error, exc_info=True)

    def reserve(self) -> None:
        """As Celery's `task_reserved`; it was never scheduled."""
        state.requests[self.id] = self
        state.reserved_requests.add(self)

    def on_accepted(self, pid: int, time_accepted: float) -> None:
        if self.accept(pid, time_accepted):
            self.send_event("task-started")

    def accept(self, pid: int, time_accepted: float) -> bool:
        if self.time_start is not None:
            return False
        self.worker_pid = pid
        self.time_start = time() - (monotonic() - time_accepted)
        # As Celery's `task_accepted`.
        state.requests[self.id] = self
        state.active_requests.add(self)
        state.total_count[self.name] += 1
        state.all_total_count[0] += 1
        if self._terminate_on_ack is None:
            return True
        self.send_event("task-started")
        self.terminate(*self._terminate_on_ack)
        return False

    def ready(self, *, successful: bool = False) -> None:
        """As Celery's `task_ready`, which also remembers what succeeded, for its own execution."""
        state.requests.pop(self.id, None)
        state.active_requests.discard(self)
        state.reserved_requests.discard(self)

    def acknowledge_here(self) -> None:
        if not self.acknowledged:
            self._qos.ack(self._tag)
            self.acknowledged = True

    def forget(self) -> None:
        """The image, or the images: who hears of it later is told size and hash. Kept until then,
        those of half a second are many megabytes."""
        argument = self._args[0] if self._args else None
        if isinstance(argument, bytes):
            if self.digest is None:
                return
            self._size = len(argument)
        else:
            self._described = self._argsrepr
        self._args = []

    def _late_s(self) -> float:
        return -1.0 if self._expires_at is None else time() - self._expires_at
