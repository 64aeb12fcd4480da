"""Celery's request for a captcha: what the worker shows of it never holds image bytes."""

import hashlib
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta, tzinfo
from functools import partial
from time import time
from typing import Any

from celery import signals
from celery.utils.time import maybe_iso8601
from celery.worker import state
from celery.worker.request import Request

logger = logging.getLogger(__name__)


def describe(argument: object, digest: bytes | None = None) -> str:
    """An argument by size and hash: ``<13502 bytes, sha256 3f2a9c1e…>``; else its type.

    `digest`: its SHA-256, if it is known.
    """
    if isinstance(argument, bytes | bytearray | memoryview):
        return image(len(argument), digest or hashlib.sha256(argument).digest())
    if isinstance(argument, list | tuple):
        total = sum(len(each) for each in argument if isinstance(each, bytes))
        return f"<{len(argument)} images, {total} bytes>"
    return f"<{type(argument).__name__}>"


def image(size: int, digest: bytes) -> str:
    """How an image of that size, bytes, with this SHA-256 is described."""
    return f"<{size} bytes, sha256 {digest.hex()[:8]}…>"


def moment(value: Any) -> datetime | None:
    """ETA and expiry as Celery reads them; its own way is slow for the form that all write
    (`benchmarks.shortcuts`)."""
    if isinstance(value, str):
        with suppress(ValueError):
            return datetime.fromisoformat(value)
    found: datetime | None = maybe_iso8601(value)
    return found


def _moment_here(value: Any, *, ahead_s: float) -> datetime | None:
    """The same by the clock of this machine, when the server's is so many seconds ahead."""
    there = moment(value)
    return there and there - timedelta(seconds=ahead_s)


class CaptchaRequest(Request):
    """A request whose arguments are described by the worker, whatever the sender wrote there."""

    acknowledged: bool
    time_start: float | None
    #: Its image's SHA-256, where that is known.
    digest: bytes | None = None

    def __init__(self, *args: Any, **options: Any) -> None:
        ahead_s = options["app"].server_clock.ahead_s
        parse = partial(_moment_here, ahead_s=ahead_s) if ahead_s else moment
        super().__init__(*args, maybe_iso8601=parse, **options)
        _, _, embed = self._payload
        #: Whether nothing but its result is asked for: no links, chords or chains, and no retries
        #: of Celery's, which wrap the task's body.
        self.alone = not any((embed or {}).values()) and not hasattr(self.task, "_orig_run")
        self._argsrepr = f"({', '.join(describe(argument) for argument in self.args)})"
        self._kwargsrepr = repr({key: describe(value) for key, value in self.kwargs.items()})
        self.request_dict.update(argsrepr=self._argsrepr, kwargsrepr=self._kwargsrepr)

    @property
    def tzlocal(self) -> tzinfo:
        """Celery looks its setting up for every request that expires, and goes through settings and
        environment for it; the application has it once."""
        timezone: tzinfo = self._app.timezone
        return timezone

    @property
    def sends_events(self) -> bool:
        """Whether monitors may see it."""
        eventer = self._eventer
        return bool(eventer and eventer.enabled and self.task.send_events)

    def send_event(self, type: str, **fields: Any) -> None:
        self.tell(type, fields)

    def tell(self, type: str, fields: Mapping[str, Any] | Callable[[], Mapping[str, Any]]) -> None:
        """The same; `fields`, or what gives them, are looked at when somebody hears it."""
        if self.sends_events:
            self._eventer.tell(type, self.id, fields)

    @property
    def teller(self) -> Any:
        """What its events are told to (`worker.hub.events`); None if nobody may see it."""
        return self._eventer if self.sends_events else None

    def accept(self, pid: int, time_accepted: float) -> bool:
        """A pass begins with it, which is said once; whether its event is to be told."""
        self.on_accepted(pid, time_accepted)
        return False

    def maybe_expire(self) -> bool:
        """Celery counts it as revoked too; here there is room for those that somebody revoked."""
        return self._late_s() > 0

    def cancel(self, pool: Any, signal: Any = None, emit_retry: bool = True) -> None:
        """At a cold shutdown. In an engine room a pass belongs to many: what it reads goes back."""
        if self._app.dismiss is None:
            super().cancel(pool, signal, emit_retry)

    def _announce_revoked(self, reason: str, terminated: Any, signum: Any, expired: bool) -> None:
        """With what a sender whose clock is wrong has to know."""
        if expired:
            reason = (
                f"expired {self._late_s():.1f} s ago, by the clock of the Redis server; "
                "is the sender's clock right?"
            )
        dismiss = self._app.dismiss
        if dismiss is None:
            super()._announce_revoked(reason, terminated, signum, expired)
            return
        # Celery's, in the same order, but for the thread that stores it.
        about = {"terminated": terminated, "signum": signum, "expired": expired}
        context, store_result = self._context, self.store_errors
        state.task_ready(self)
        self.send_event("task-revoked", **about)
        self._already_revoked = True

        def store() -> None:
            self.task.backend.mark_as_revoked(
                self.id, reason, request=context, store_result=store_result
            )

        def done() -> None:
            self.acknowledge_here()
            signals.task_revoked.send(self.task, request=context, **about)

        dismiss(store, done)

    def _late_s(self) -> float:
        """Seconds since it expired; negative before, and where it does not."""
        expires: datetime | None = self.expires
        return -1.0 if expires is None else time() - expires.timestamp()

    def on_accepted(self, pid: int, time_accepted: float) -> None:
        """Once: a request that the engine room accepted may still be executed by the pool."""
        if self.time_start is None:
            super().on_accepted(pid, time_accepted)

    def ready(self, *, successful: bool = False) -> None:
        """It is neither reserved nor active any more."""
        state.task_ready(self, successful)

    def acknowledge_here(self) -> None:
        """On the hub thread; Celery's way would have the hub do it some time later."""
        if not self.acknowledged:
            self.message.ack_log_error(logger, self.connection_errors)
            self.acknowledged = True

    def forget(self) -> None:
        """It is answered: let go of what is large and not needed any more."""

    def info(self, safe: bool = False) -> dict[str, Any]:
        """For ``inspect`` and Flower, which would send the image over the wire otherwise."""
        info: dict[str, Any] = super().info(safe=True)
        return info

    def dropped(self) -> bool:
        """Whether nobody wants it any more: revoked, or expired. Safe on any thread."""
        if self.id in state.revoked:
            return True
        return self.expires is not None and self._late_s() > 0
