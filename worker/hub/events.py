"""Events: of which captchas they are sent, and that they are published together.

Three events a captcha are many for a large fleet: `TILEFLEET_EVENTS` is the share of captchas that
monitors see. Which ones is decided by the task's id, so a captcha is seen with all of its events,
whatever workers send them, or with none.

Celery flushes its buffered events on every turn of the hub's loop that sent one: two publications
for each captcha. Here they wait up to `PAUSE_S` for others; nobody but monitors waits for them. And
what nobody hears is not made: the server says how many have heard what was published.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from threading import Lock
from time import monotonic, time
from typing import Any, Final, NamedTuple
from zlib import crc32

from celery.app import events
from celery.events.dispatcher import EventDispatcher
from celery.utils.time import utcoffset

from worker import fast_json

#: Seconds that an event may wait.
PAUSE_S = 0.05
#: Seconds for which nobody hears anything once nobody has heard what was published, and events that
#: wait for that at the most: to ask anew by publishing one takes the hub thread as long as all else
#: that it does for ten captchas.
_UNHEARD_S: Final = 0.5
_MOST_UNHEARD: Final = 2400
#: Events that are published without waiting any longer, about 160 kB.
_MOST = 480
#: What Celery calls the events of tasks: those that it lets wait for each other.
_GROUP: Final = "task"
#: How many checksums of an id there are.
_CHECKSUMS: Final = 2**32


class Events(events.Events):
    """What ``app.events`` is: Celery's, with another dispatcher."""

    dispatcher_cls = "worker.hub.events:SampledDispatcher"


class Waiting(NamedTuple):
    """Events of tasks, told together, that wait for others: a few objects for all of them."""

    type: str
    #: Of each its task's id, and what its fields are made of.
    told: Sequence[tuple[str, Any]]
    #: What makes them, of that and the time at which it was told.
    fields: Callable[[Any, float], Mapping[str, Any]]
    timestamp: float
    #: Of the first; the others' follow.
    clock: int


def _its_own(
    fields: Mapping[str, Any] | Callable[[], Mapping[str, Any]], _: float
) -> Mapping[str, Any]:
    return fields() if callable(fields) else fields


def _each(waiting: Waiting) -> Iterator[Waiting]:
    """One by one."""
    for number, one in enumerate(waiting.told):
        yield waiting._replace(told=(one,), clock=waiting.clock + number)


class SampledDispatcher(EventDispatcher):
    """Celery's dispatcher, for the share of captchas that the settings say."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        #: Tasks whose id has a checksum below this are seen.
        self._below = self.app.settings.events * _CHECKSUMS
        self._fleet = self.app.settings.fleet
        self._waiting: list[Waiting] = []
        #: How many events these are.
        self._count = 0
        self._taking = Lock()
        #: Whether anybody may hear what is published next, and when that was looked at.
        self._heard, self._looked = True, 0.0

    def send(self, type: str, *args: Any, **fields: Any) -> Any:
        # Events of workers have no task's id.
        if fields.get("uuid") is None or args:
            # Celery has heartbeats tried again, on the hub thread, while the server is away.
            return super().send(type, *args, **(fields | {"retry": False}), fleet=self._fleet)
        self.tell(type, fields.pop("uuid"), fields)
        return None

    def tell(
        self,
        type: str,
        task_id: str,
        fields: Mapping[str, Any] | Callable[[], Mapping[str, Any]],
    ) -> None:
        """An event of a task; `fields`, or what gives them, are looked at when it is published."""
        self.tell_all(type, [(task_id, fields)], _its_own)

    def tell_all(
        self,
        type: str,
        told: Sequence[tuple[str, Any]],
        fields: Callable[[Any, float], Mapping[str, Any]],
    ) -> None:
        """An event of each of these tasks, in this order: `told` has its id, and what `fields` is
        called with when it is published, together with the Unix time of now."""
        if self._below < _CHECKSUMS:
            told = [each for each in told if crc32(str(each[0]).encode()) < self._below]
        if not told or not self.enabled:
            return
        now = time()
        if self.groups or _GROUP not in self.buffer_group:
            for task_id, about in told:
                its_own = fields(about, now)
                super().send(type, uuid=task_id, **its_own, fleet=self._fleet)
            return
        with self.clock.mutex:
            clock = self.clock.value + 1
            self.clock.value += len(told)
        self._waiting.append(Waiting(type, told, fields, now, clock))
        self._count += len(told)
        # While nobody hears them they are not published, however many they are.
        if self._count >= self.buffer_limit and (self._heard or not self.on_send_buffered):
            self.flush()
        elif self.on_send_buffered:
            self.on_send_buffered()

    @property
    def may_wait(self) -> bool:
        """Whether some wait, and nobody has heard the last, a moment ago."""
        unheard = not self._heard and monotonic() - self._looked < _UNHEARD_S
        return unheard and 0 < self._count < _MOST_UNHEARD

    def flush(self, *args: Any, **options: Any) -> None:
        """Publish what waits; where nobody heard the last, only the first as long as nobody does.

        Three events a captcha are a fifth of the hub thread's time (`benchmarks.hub`), and most
        fleets are watched now and then.
        """
        if not self._closed and (waiting := self._taken()):
            offset = utcoffset()
            ones = (one for some in waiting for one in _each(some))
            if not self._heard:
                self._publish_all([next(ones)], offset)
            if self._heard:
                while some := list(islice(ones, max(1, self.buffer_limit))):
                    self._publish_all(some, offset)
        super().flush(*args, **options)

    def _taken(self) -> list[Waiting]:
        """What waits; what other threads add meanwhile waits on."""
        with self._taking:
            waiting = list(self._waiting)
            del self._waiting[: len(waiting)]
            self._count = 0
        return waiting

    def _publish_all(self, waiting: Sequence[Waiting], offset: int) -> None:
        """Sets whether anybody heard them; somebody may have if nothing says so."""
        channel = None
        with suppress(Exception):
            # Celery's own way keeps for later what a broken connection does not take.
            channel = self.producer.channel
            channel.receivers = None
        self._group_buffer[_GROUP] += [self._event(each, offset) for each in waiting]
        super().flush(errors=False)
        heard = getattr(channel, "receivers", None)
        self._heard, self._looked = heard is None or any(heard), monotonic()

    def _event(self, waiting: Waiting, offset: int) -> dict[str, Any]:
        """What Celery's `send` makes of an event of a task, with our fleet."""
        ((task_id, about),) = waiting.told
        return {
            "uuid": task_id,
            **waiting.fields(about, waiting.timestamp),
            "fleet": self._fleet,
            "type": waiting.type,
            "timestamp": waiting.timestamp,
            "hostname": self.hostname,
            "utcoffset": offset,
            "pid": self.pid,
            "clock": waiting.clock,
        }


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
            self._hub.call_later(PAUSE_S, self._on_time)

    def _on_time(self) -> None:
        self._due = False
        if self._dispatcher.may_wait:
            self._flush_soon()
        else:
            self._dispatcher.flush()

    def flush(self) -> None:
        self._dispatcher.flush()
