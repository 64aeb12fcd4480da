"""Messages that are due later: how many of them a worker holds.

Celery holds every message with an ETA or a countdown in the worker that has claimed it, until it is
due. Here it holds some; what comes on top is parked: its record stays on the server, nobody's,
until it is due (`worker.transport.qos`). So a worker's memory, and the time that it takes to stop,
do not depend on what was sent.
"""

from typing import Any, Final

from celery.worker import state

from worker.intake.request import moment

#: Most messages that wait for their time in a worker.
MOST: Final = 1000


class HeldLater:
    """Decides for each message, before anything is made of it."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def parks(self, message: Any, fields: object) -> bool:
        """Whether it has been given back until it is due; `fields`: where its ETA would be."""
        eta = fields.get("eta") if isinstance(fields, dict) else None
        if not isinstance(eta, str):
            return False
        qos = message.channel.qos
        park = getattr(qos, "park", None)
        if park is None or not (len(state.scheduled_requests) >= MOST or qos.is_crowded):
            return False
        try:
            due = self._due(eta)
        except (ValueError, OverflowError):
            # The message's check says so.
            return False
        if due <= self._app.server_clock.now():
            return False
        park(message, due)
        return True

    def _due(self, eta: str) -> float:
        """Unix time by the server's clock."""
        when = moment(eta)
        if when is None:
            return 0.0
        if when.tzinfo is None:
            when = when.replace(tzinfo=self._app.timezone)
        return when.timestamp()
