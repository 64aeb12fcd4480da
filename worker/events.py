"""Events, published together.

Celery flushes its buffered events on every turn of the hub's loop that sent one: two publications
for each captcha. Here they wait up to `PAUSE_S` for others; nobody but monitors waits for them.
"""

from typing import Any

from worker import fast_json

#: Seconds that an event may wait.
PAUSE_S = 0.05
#: Events that are published without waiting any longer, about 40 kB.
_MOST = 120


class EventFlush:
    """The flushing of one connection's event dispatcher; on the hub thread only."""

    def __init__(self, dispatcher: Any, hub: Any) -> None:
        self._dispatcher = dispatcher
        self._hub = hub
        self._due = False
        dispatcher.buffer_limit = _MOST
        dispatcher.serializer = fast_json.NAME
        dispatcher.on_send_buffered = self._flush_soon

    def _flush_soon(self) -> None:
        if not self._due:
            self._due = True
            self._hub.call_later(PAUSE_S, self.flush)

    def flush(self) -> None:
        self._due = False
        self._dispatcher.flush()
