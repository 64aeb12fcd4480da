"""Celery's consumer, with one way for everything that is no task.

Celery has five ways: some log the body (here: an image), some drop it without a word to the sender,
one ends the worker. Here a message that is no task is counted, logged by its size, and taken off
the queue; where it says which task it was meant to be, that task fails with what is wrong.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from time import monotonic, sleep
from typing import Any

from celery import signals
from celery.exceptions import NotRegistered
from celery.utils.threads import bound_open_broker_sockets
from celery.worker.consumer import Consumer
from celery.worker.state import maybe_shutdown

from tilefleet.errors import BadMessage, reason
from tilefleet.urls import are_alike
from worker.intake import validation
from worker.intake.held_later import HeldLater
from worker.intake.short_way import PlainTaker
from worker.intake.strategy import at_the_end_of
from worker.results import failure
from worker.transport.short_way import ShortWay

logger = logging.getLogger(__name__)

#: Seconds that a broken connection may take to be closed.
_LAST_WORDS_S = 1.0
#: Seconds between attempts to connect: at first, how much longer each time, at most.
_CONNECT_S = (0.5, 0.5, 2.0)
#: Seconds before what broke is begun anew: at first, and at most; and for how long a connection
#: has to hold for the next break to count as the first.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _HOLDS_S = 0.1, 2.0, 10.0


@dataclass(frozen=True, slots=True)
class _Listener:
    listen: Callable[[Any], Any]

    def __call__(self, request: Any) -> None:
        try:
            self.listen(request)
        except Exception:
            logger.exception("%r cannot hear of %s", self.listen, request)


class Listeners(set[Callable[[Any], Any]]):
    """What hears of each request, as the autoscaler; what fails there is not the sender's fault."""

    def add(self, listen: Callable[[Any], Any]) -> None:
        super().add(_Listener(listen))


class CaptchaConsumer(Consumer):
    """What Celery makes one of for each worker."""

    def __init__(self, *args: Any, worker_options: Any = None, **options: Any) -> None:
        wanted = dict(worker_options or {})
        #: Whether the other workers are asked what is revoked: by `worker.monitoring.mingle`,
        #: not Mingle.
        self.greets = not wanted.get("without_mingle")
        wanted["without_mingle"] = True
        super().__init__(*args, worker_options=wanted, **options)
        self._held_later = HeldLater(self.app)
        self.on_task_message = Listeners()
        self._pause_s, self._broke = _FIRST_PAUSE_S, float("-inf")
        #: Whether its server is being connected to; Celery keeps the connection that broke.
        self.connecting = False

    def connect(self) -> Any:
        """``inspect stats`` tells a connection's options: not who we are to sentinels."""
        connection = super().connect()
        told = connection.info

        def info() -> dict[str, Any]:
            options = {**told(), "transport_options": dict(connection.transport_options)}
            options["transport_options"].pop("sentinel_kwargs", None)
            return options

        connection.info = info
        return connection

    def ensure_connected(self, conn: Any) -> Any:
        """For ever, and often: Celery gives up after a hundred attempts, half a minute apart."""
        start, step, longest = _CONNECT_S

        def say(error: Exception, pause_s: float) -> None:
            logger.error("%s: %s; tried again in %g s", conn.as_uri(), reason(error), pause_s)

        self.connecting = True
        try:
            conn.ensure_connection(
                say,
                interval_start=start,
                interval_step=step,
                interval_max=longest,
                callback=maybe_shutdown,
            )
        finally:
            self.connecting = False
            if (coordinator := getattr(self.controller, "engine_room", None)) is not None:
                # The loop is about to: whoever looks whether it hangs counts from here.
                coordinator.turned = monotonic()
        self.first_connection_attempt = False
        return conn

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Celery's, as far as this worker's settings go, in one line, and with a pause: a server
        that is read-only or full lets us connect, again and again."""
        connection: Any = self.connection
        logger.warning("%s: %s; connecting anew", connection.as_uri(), reason(exc))
        # What is closed is read from once more.
        bound_open_broker_sockets(connection, _LAST_WORDS_S)
        with suppress(Exception):
            connection.collect(socket_timeout=_LAST_WORDS_S)
        with suppress(Exception):
            connection.close()
        now = monotonic()
        held = now - self._broke > _HOLDS_S
        self._pause_s = _FIRST_PAUSE_S if held else min(2 * self._pause_s, _LONGEST_PAUSE_S)
        self._broke = now
        sleep(self._pause_s)

    def reset_rate_limits(self) -> None:
        """Celery leaves what waits for its turn to the limit that was, and claims no more until
        then: here it waits by the new one."""
        former = [bucket for bucket in self.task_buckets.values() if bucket is not None]
        super().reset_rate_limits()
        waiting = [each for bucket in former for each in bucket.contents]
        for bucket in former:
            bucket.clear_pending()
        limiting = at_the_end_of(self)
        for request, tokens in waiting:
            bucket = self.task_buckets[request.name]
            if bucket is None:
                limiting._limit_move_to_pool(request)
            else:
                limiting._limit_task(request, bucket, tokens)

    def create_task_handler(self, *args: Any, **options: Any) -> Callable[[Any], Any]:
        handle = super().create_task_handler(*args, **options)
        channel = self.task_consumer.channel
        settings = self.app.settings
        if hasattr(channel, "clock") and are_alike(settings.broker_url, settings.result_backend):
            # What is claimed is late or due by the clock of where results are, as it is set now.
            channel.clock = self.app.server_clock
        self._open_short_way()

        def on_task_received(message: Any) -> Any:
            body = None
            try:
                if self._held_later.parks(message, message.headers):
                    return None
                body = validation.unpack(message)
                validation.check(message.headers, body)
                # Celery's first protocol has everything in the body.
                if self._held_later.parks(message, body):
                    return None
                return handle(message)
            except Exception as error:
                # A KeyError is one of the connection errors of kombu's Redis transport.
                if isinstance(error, self.connection_errors) and not isinstance(error, KeyError):
                    raise
                return self._refuse(message, error, body)

        return on_task_received

    def _open_short_way(self) -> None:
        """For this connection; where there is an engine room, and our transport."""
        coordinator = getattr(self.controller, "engine_room", None)
        channel = self.task_consumer.channel
        if coordinator and self.app.settings.short_way and hasattr(channel, "short_way"):
            channel.short_way = ShortWay(PlainTaker(self, coordinator))

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        self._refuse(message, exc)

    def on_unknown_message(self, body: Any, message: Any) -> None:
        self._refuse(message, BadMessage("it names no task"), body)

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:
        self._refuse(message, exc, body)

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:
        self._refuse(message, NotRegistered(str(exc)), body)

    def _refuse(self, message: Any, error: Exception, body: Any = None) -> None:
        task_id = _id(message.headers) or _id(body)
        size = len(message.body) if isinstance(message.body, bytes | str) else 0
        why = reason(error)
        about = {"task": task_id}
        logger.error(
            "A message of %d bytes is refused (task %s): %s", size, task_id, why, extra=about
        )
        coordinator = getattr(self.controller, "engine_room", None)
        if coordinator is not None:
            coordinator.errors["BadMessage"] += 1
        known = isinstance(error, BadMessage | NotRegistered)
        failed = error if known else BadMessage(f"no task: {why}")
        if task_id is not None and self.event_dispatcher:
            self.event_dispatcher.send("task-failed", uuid=task_id, exception=repr(failed))

        def done() -> None:
            message.reject_log_error(logger, self.connection_errors)
            signals.task_rejected.send(sender=self, message=message, exc=error)

        if task_id is not None and coordinator is not None:
            coordinator.dismiss(partial(failure.write, self.app.backend, task_id, failed), done)
            return
        if task_id is not None:
            failure.store(self.app.backend, task_id, failed)
        done()


def _id(fields: Any) -> str | None:
    """The task's id among a message's headers, or in a body of Celery's first protocol."""
    task_id = fields.get("id") if isinstance(fields, dict) else None
    return task_id if validation.readable(task_id) else None
