"""What `benchmarks.hub` has a worker include: timers on the hub thread, and promises left out.

``HUB_OUT`` names the file that gets the figures once ``HUB_COUNT`` captchas are concluded; of these
the first tenth is not counted. ``HUB_TIMERS=1`` times the stages. ``HUB_WITHOUT`` names what is
replaced by nothing: leases, coalescing, deadlines, records. ``HUB_CORE`` is the only core it has.
"""

import functools
import json
import os
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from threading import enumerate as threads
from threading import get_ident
from typing import Any

from celery.worker import request as celery_request

from worker.engine_room.coalescing import Coalescer
from worker.engine_room.job import Delivery
from worker.hub.conclusion import Conclusion
from worker.hub.coordinator import Coordinator
from worker.hub.events import SampledDispatcher
from worker.intake import consumer, plain_request, request, short_way, validation
from worker.intake.held_later import HeldLater
from worker.transport import beside
from worker.transport import short_way as transport_short_way
from worker.transport.channel import Channel
from worker.transport.message import Message
from worker.transport.poller import Poller
from worker.transport.qos import QoS

_COUNT = int(os.environ["HUB_COUNT"])
_OUT = Path(os.environ["HUB_OUT"])

#: Stage → what belongs to it: (where it is looked up, its name).
STAGES: dict[str, list[tuple[Any, str]]] = {
    "claim: sent, with what is acknowledged, and its reply read": [
        (Channel, "_brpop_start"),
        (Channel, "_read_claim"),
        (beside, "fetch"),
    ],
    "message: envelope and body": [
        (transport_short_way, "unwrap"),
        (short_way, "read"),
        (Channel, "_payload"),
        (Message, "__init__"),
        (validation, "unpack"),
    ],
    "checks, and a request": [
        (short_way.PlainTaker, "begin"),
        (short_way.PlainTaker, "take"),
        (validation, "check"),
        (HeldLater, "parks"),
        (consumer.CaptchaConsumer, "_refuse"),
        (celery_request.Request, "__init__"),
        (request.CaptchaRequest, "__init__"),
        (plain_request.PlainRequest, "__init__"),
    ],
    "events: made": [
        (SampledDispatcher, "tell"),
        (SampledDispatcher, "tell_all"),
        (SampledDispatcher, "_event"),
    ],
    "events: published": [(SampledDispatcher, "flush")],
    "admission, hand-over to the decoders": [
        (Coordinator, "admit"),
        (Coordinator, "admit_all"),
        (Coordinator, "hand_on"),
    ],
    "result: started and concluded": [
        (Conclusion, "accept"),
        (Conclusion, "conclude"),
    ],
    "acknowledgement": [(QoS, "ack")],
    "delivery: the rest of it": [(Channel, "_brpop_read")],
}


class Timers:
    """CPU time of this thread by stage, each without what is timed inside it."""

    def __init__(self) -> None:
        self.spent: dict[str, int] = defaultdict(int)
        self._inside = [0]
        #: Nanoseconds that a timer takes of what it times, and of what that is in.
        self._within = self._around = 0
        self._calibrate()

    def time(self, stage: str, call: Callable[..., Any]) -> Callable[..., Any]:
        clock, hub = time.thread_time_ns, get_ident()

        @functools.wraps(call)
        def timed(*args: Any, **options: Any) -> Any:
            if get_ident() != hub:
                return call(*args, **options)
            self._inside.append(0)
            began = clock()
            try:
                return call(*args, **options)
            finally:
                took = clock() - began
                self.spent[stage] += took - self._inside.pop() - self._within
                self._inside[-1] += took + self._around

        return timed

    def _calibrate(self, times: int = 10_000) -> None:
        nothing = self.time("nothing", lambda: None)
        began = time.thread_time_ns()
        for _ in range(times):
            nothing()
        in_all, within = time.thread_time_ns() - began, self.spent.pop("nothing")
        self._inside = [0]
        self._within, self._around = within // times, (in_all - within) // times

    def install(self) -> None:
        for stage, parts in STAGES.items():
            for owner, name in parts:
                setattr(owner, name, self.time(stage, getattr(owner, name)))


def _without(what: str) -> None:
    if what == "leases":
        Poller.renew_leases = lambda self: None  # type: ignore[method-assign]
        QoS.restore_visible = lambda self, *_, **options: None  # type: ignore[method-assign]
    elif what == "coalescing":
        Coalescer.settle = lambda self, job: ""  # type: ignore[method-assign]
    elif what == "deadlines":
        Delivery.dropped = lambda self: False  # type: ignore[method-assign]
    elif what == "records":
        plain_request.PlainRequest.reserve = lambda self: None  # type: ignore[method-assign]
        plain_request.PlainRequest.ready = lambda self, **_: None  # type: ignore[method-assign]
    else:
        raise ValueError(what)


#: What is done for a captcha whatever is around it: microseconds, by the clocks of its threads.
_parts = {"decoding": 0.0, "networks": 0.0}


def _part(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(call)
    def timed(*args: Any) -> Any:
        began = time.thread_time_ns()
        try:
            return call(*args)
        finally:
            _parts[name] += (time.thread_time_ns() - began) / 1e3

    return timed


class Count:
    """Looks at the clocks when a tenth is concluded, and when all is."""

    def __init__(self, timers: Timers) -> None:
        self._timers = timers
        self._done = self._counted_from = 0
        self._before: dict[str, float] = {}
        self._parts: dict[str, float] = {}

    def add(self, more: int) -> None:
        warm = _COUNT // 10
        if self._done < warm <= self._done + more:
            self._counted_from = self._done + more
            self._timers.spent.clear()
            self._before, self._parts = self._clocks(), dict(_parts)
        self._done += more
        if self._done >= _COUNT and self._before:
            captchas = self._done - self._counted_from
            now, before = self._clocks(), self._before
            figures = {name: (now[name] - before.get(name, 0.0)) / captchas for name in now}
            spent = {name: self._timers.spent[name] / captchas / 1e3 for name in STAGES}
            parts = {name: (_parts[name] - self._parts[name]) / captchas for name in _parts}
            temporary = _OUT.with_suffix(".part")
            temporary.write_text(json.dumps({"threads": figures, "stages": spent, "parts": parts}))
            temporary.rename(_OUT)
            self._before = {}

    @staticmethod
    def _clocks() -> dict[str, float]:
        """Microseconds of CPU of each thread, and of all."""
        clocks: dict[str, float] = defaultdict(float)
        for thread in threads():
            assert thread.ident is not None
            name = thread.name.partition("-")[0]
            clocks[name] += time.clock_gettime(time.pthread_getcpuclockid(thread.ident)) * 1e6
        return {**clocks, "all": time.process_time() * 1e6}


if os.environ.get("HUB_CORE"):
    from models.engines import litert

    # This thread has started no other yet.
    os.sched_setaffinity(0, {int(os.environ["HUB_CORE"])})
    litert.LiteRTEngine.prepare_quickly = _part(  # type: ignore[method-assign]
        "decoding", litert.LiteRTEngine.prepare_quickly
    )
    litert.LiteRTSession.look = _part(  # type: ignore[method-assign]
        "networks", litert.LiteRTSession.look
    )
_timers = Timers()
if os.environ.get("HUB_TIMERS"):
    _timers.install()
for _what in filter(None, os.environ.get("HUB_WITHOUT", "").split(",")):
    _without(_what)
_count = Count(_timers)
_conclude = Conclusion.conclude


def _counted(self: Conclusion, deliveries: Any) -> None:
    _conclude(self, deliveries)
    _count.add(len(deliveries))


Conclusion.conclude = _counted  # type: ignore[method-assign]
