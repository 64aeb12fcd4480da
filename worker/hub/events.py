"""Events: of which captchas they are sent, and that they are published together.

Three events a captcha are many for a large fleet: `TILEFLEET_EVENTS` is the share of captchas that
monitors see. Which ones is decided by the task's id, so a captcha is seen with all of its events,
whatever workers send them, or with none.

Celery flushes its buffered events on every turn of the hub's loop that sent one: two publications
for each captcha. Here they wait up to `PAUSE_S` for others; nobody but monitors waits for them.
"""

from time import time
from typing import Any, Final
from zlib import crc32

from celery.app import events
from celery.events.dispatcher import EventDispatcher
from celery.utils.time import utcoffset

from worker import fast_json

#: Seconds that an event may wait.
PAUSE_S = 0.05
#: Events that are published without waiting any longer, about 40 kB.
_MOST = 120
#: What Celery calls the events of tasks: those that it lets wait for each other.
_GROUP: Final = "task"
#: How many checksums of an id there are.
_CHECKSUMS: Final = 2**32


class Events(events.Events):
    """What ``app.events`` is: Celery's, with another dispatcher."""

    dispatcher_cls = "worker.hub.events:SampledDispatcher"


class SampledDispatcher(EventDispatcher):
    """Celery's dispatcher, for the share of captchas that the settings say."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        #: Tasks whose id has a checksum below this are seen.
        self._below = self.app.settings.events * _CHECKSUMS
        self._fleet = self.app.settings.fleet
        #: What `utcoffset` said when events were published last: it looks at the clock's zone.
        self._utcoffset = utcoffset()

    def send(self, type: str, *args: Any, **fields: Any) -> Any:
        # Events of workers have no task's id.
        task_id = fields.get("uuid")
        fields["fleet"] = self._fleet
        if task_id is None:
            return super().send(type, *args, **fields)
        if self._below < _CHECKSUMS and crc32(str(task_id).encode()) >= self._below:
            return None
        if args or self.groups or _GROUP not in self.buffer_group:
            return super().send(type, *args, **fields)
        if self.enabled:
            self._buffer(type, fields)
        return None

    def flush(self, *args: Any, **options: Any) -> None:
        super().flush(*args, **options)
        self._utcoffset = utcoffset()

    def _buffer(self, type: str, event: dict[str, Any]) -> None:
        """What Celery's `send` does with an event of a task, without a producer and a template of
        its fields for each: three events a captcha are most of what the hub thread sends."""
        event["type"] = type
        event.setdefault("timestamp", time())
        event["hostname"] = self.hostname
        event["utcoffset"] = self._utcoffset
        event["pid"] = self.pid
        event["clock"] = self.clock.forward()
        waiting = self._group_buffer[_GROUP]
        waiting.append(event)
        if len(waiting) >= self.buffer_limit:
            self.flush()
        elif self.on_send_buffered:
            self.on_send_buffered()


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
