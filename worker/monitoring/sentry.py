"""Failed captchas for Sentry, where `SENTRY_DSN` names a project or a program has set it up itself.

Sentry's own integration watches Celery's execution of tasks, which captchas do not go through. No
event of this process holds a picture: what would (local variables, a task's arguments) is taken
out, whatever Sentry is told to send.
"""

import logging
import sys
from collections.abc import Callable
from time import monotonic
from typing import Any, Final

from tilefleet.errors import BadRequest

logger = logging.getLogger(__name__)

#: Seconds between two events of one class of errors: what all send can be wrong at once.
_EVERY_S: Final = 1.0


def start() -> None:
    """Set it up as its own variables say (`SENTRY_DSN`, `SENTRY_ENVIRONMENT`, `SENTRY_RELEASE`)."""
    try:
        import sentry_sdk
    except ModuleNotFoundError as error:
        logger.warning(
            "SENTRY_DSN is set and nothing is sent: it needs %s: pip install 'tilefleet[sentry]'",
            error.name,
        )
        return
    if not sentry_sdk.get_client().is_active():
        sentry_sdk.init(include_local_variables=False)


def reporter() -> Callable[[Any, Exception], None] | None:
    """What is told of each failed captcha: its request, and why. None: nobody has set Sentry up."""
    # Loaded by who has set it up; nobody else waits for it.
    sdk = sys.modules.get("sentry_sdk")
    if sdk is None or not sdk.get_client().is_active():
        return None
    options = sdk.get_client().options
    # The last ones to see an event: Sentry's integrations add to it after all others.
    for name in ("before_send", "before_send_transaction"):
        options[name] = _last(options.get(name))
    return _Reporter(sdk)


class _Reporter:
    """On the hub thread."""

    def __init__(self, sdk: Any) -> None:
        self._sdk = sdk
        self._told: dict[str, float] = {}

    def __call__(self, request: Any, error: Exception) -> None:
        now, kind = monotonic(), type(error).__name__
        if now - self._told.get(kind, -_EVERY_S) < _EVERY_S:
            return
        self._told[kind] = now
        with self._sdk.new_scope() as scope:
            # What a sender did is no fault of this worker.
            scope.set_level("warning" if isinstance(error, BadRequest) else "error")
            scope.set_transaction_name(request.task.name)
            scope.set_tag("celery_task_id", request.id)
            scope.set_tag("lane", str(request.delivery_info.get("routing_key")))
            scope.capture_exception(error)


def _last(own: Callable[[Any, Any], Any] | None) -> Callable[[Any, Any], Any]:
    """What the program wants done with an event, then what has to be."""

    def send(event: Any, hint: Any) -> Any:
        kept = own(event, hint) if own else event
        return kept and without_pictures(kept)

    return send


def without_pictures(event: Any) -> Any:
    """An event without what may hold a picture."""
    for stack in _stacks(event):
        for frame in stack.get("frames") or ():
            frame.pop("vars", None)
    event.get("extra", {}).pop("celery-job", None)
    return event


def _stacks(event: Any) -> list[dict[str, Any]]:
    found = [event.get("stacktrace")]
    for kind in ("exception", "threads"):
        values = (event.get(kind) or {}).get("values") or ()
        found += [each.get("stacktrace") for each in values]
    return [stack for stack in found if stack]
