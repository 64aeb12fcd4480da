"""``GET /metrics``: what this gateway has done, and what it knows of the fleet, for Prometheus.

A registry of its own, so that several gateways fit in one process. Seconds and bytes, as
Prometheus asks for; nothing that a client sends becomes a label, but the name of its key.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from redis.exceptions import NoScriptError, RedisError

from producer.client import backlog
from producer.gateway.keys import Key
from tilefleet import wire
from tilefleet.figures import labelled

CONTENT_TYPE = CONTENT_TYPE_LATEST

# No `_created` series, one more for each counter: nothing here uses them.
disable_created_metrics()  # type: ignore[no-untyped-call]

try:
    VERSION = version("tilefleet")
except PackageNotFoundError:
    VERSION = "unknown"

#: The outcome that is no error.
_ANSWERED = "answered"
_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)

#: Seconds in which the server has to say that; a scrape waits for it.
_LOOK_S = 1.0

_OLDEST_SHA = hashlib.sha1(backlog.OLDEST.encode(), usedforsecurity=False).hexdigest()


class Metrics:
    """What is counted, request by request."""

    def __init__(self, fleet: str = "tilefleet") -> None:
        """`fleet`: the label of all."""
        self._registry, self._names = _Registry(fleet), _Registry(fleet)
        self._fleet = _Fleet()
        self._registry.register(self._fleet)
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "tilefleet_gateway_requests",
            "Requests answered, by path and HTTP status.",
            ["path", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "tilefleet_gateway_request_seconds",
            "From a request's head to the end of its reply.",
            ["path"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._in_flight = Gauge(
            "tilefleet_gateway_requests_in_flight",
            "Requests that are being served.",
            registry=self._registry,
        )
        self._received = Counter(
            "tilefleet_gateway_received_bytes",
            "Bytes of bodies received.",
            registry=self._registry,
        )
        self._captchas = Counter(
            "tilefleet_gateway_captchas",
            "Captchas by outcome: answered, or the error's class.",
            ["outcome"],
            registry=self._registry,
        )
        self._of_keys = Counter(
            "tilefleet_gateway_key_captchas",
            "Captchas by the name of the API key that sent them.",
            ["key"],
            registry=self._names,
        )
        Gauge(
            "tilefleet_gateway_info", "1, and the version.", ["version"], registry=self._registry
        ).labels(VERSION).set(1)
        # A child is looked up once, not for every request.
        self._request_of: dict[tuple[str, int], Counter] = {}
        self._seconds_of: dict[str, Histogram] = {}
        self._captcha_of: dict[str, Counter] = {_ANSWERED: self._captchas.labels(_ANSWERED)}
        #: Captchas answered since this process began.
        self.answered = 0

    def watch(self, in_flight: Callable[[], float]) -> None:
        """Ask this for the number of requests that are being served."""
        self._in_flight.set_function(in_flight)

    def served(self, path: str, status: int, seconds: float, received: int) -> None:
        """One request; `path` is a route's, not what the client wrote."""
        counter = self._request_of.get((path, status))
        if counter is None:
            counter = self._request_of[path, status] = self._requests.labels(path, str(status))
        counter.inc()
        histogram = self._seconds_of.get(path)
        if histogram is None:
            histogram = self._seconds_of[path] = self._seconds.labels(path)
        histogram.observe(seconds)
        if received:
            self._received.inc(received)

    def solved(self, key: Key | None, outcome: str = _ANSWERED) -> None:
        """One captcha; `outcome`: or the error's class."""
        if outcome == _ANSWERED:
            self.answered += 1
        counter = self._captcha_of.get(outcome)
        if counter is None:
            counter = self._captcha_of[outcome] = self._captchas.labels(outcome)
        counter.inc()
        if key is not None:
            self._of_keys.labels(key.name).inc()

    def show(self, seen: backlog.Backlog, oldest_s: dict[str, float], *, names: bool) -> bytes:
        """The text, with the fleet as `seen` and the ages that `oldest` gave.

        `names`: with what is told by the names of keys.
        """
        self._fleet.seen, self._fleet.oldest_s = seen, oldest_s
        shown = generate_latest(self._registry)
        return shown + generate_latest(self._names) if names else shown


async def oldest(
    connections: Sequence[Any], lanes: Sequence[str], *, key_prefix: str
) -> dict[str, float]:
    """Seconds that the oldest message of each lane has waited, on any of the servers."""
    ages: dict[str, float] = {}
    looks = (_oldest(each, lanes, key_prefix=key_prefix) for each in connections)
    for found in await asyncio.gather(*looks):
        for lane, age in found.items():
            ages[lane] = max(age, ages.get(lane, 0.0))
    return ages


async def _oldest(connection: Any, lanes: Sequence[str], *, key_prefix: str) -> dict[str, float]:
    """On one; 0 for an empty lane.

    A lane whose oldest message does not say when it was sent, by another Celery application, is
    left out; so are all if the server does not answer.
    """
    try:
        async with asyncio.timeout(_LOOK_S):
            return backlog.oldest_s(lanes, await _look(connection, lanes, key_prefix))
    except (RedisError, OSError):
        return {}


async def _look(connection: Any, lanes: Sequence[str], key_prefix: str) -> list[Any]:
    """By a script that may only read: the gateway's account has rights for no other on lanes."""
    arguments = backlog.oldest_arguments(lanes, key_prefix=key_prefix)
    command = ("EVALSHA_RO", _OLDEST_SHA, *arguments)
    try:
        found: list[Any] = await connection.execute_command(*command)
    except NoScriptError:
        await connection.script_load(backlog.OLDEST)
        found = await connection.execute_command(*command)
    return found


class _Registry(CollectorRegistry):
    """With a label that all metrics have."""

    def __init__(self, fleet: str) -> None:
        super().__init__()
        self._name = fleet

    def collect(self) -> Iterator[Metric]:
        yield from labelled(super().collect(), fleet=self._name)


class _Fleet:
    """The fleet at the last look."""

    def __init__(self) -> None:
        self.seen = backlog.Backlog()
        self.oldest_s: dict[str, float] = {}

    def collect(self) -> Iterator[GaugeMetricFamily]:
        fleet = self.seen.fleet
        lanes = self.seen.lanes
        yield GaugeMetricFamily(
            "tilefleet_gateway_ready", "1 if a worker is there.", float(fleet.workers > 0)
        )
        yield GaugeMetricFamily(
            "tilefleet_fleet_workers", "Workers that have reported lately.", fleet.workers
        )
        yield GaugeMetricFamily(
            "tilefleet_fleet_captchas_per_second",
            "What all workers read when they have more than enough to do; 0 while unknown.",
            fleet.rate,
        )
        waiting = GaugeMetricFamily(
            "tilefleet_queue_messages",
            "Messages that wait, by lane and, where they name one, model.",
        )
        bound = GaugeMetricFamily(
            "tilefleet_queue_bound_messages",
            "Messages that may wait before senders are refused.",
        )
        age = GaugeMetricFamily(
            "tilefleet_queue_oldest_seconds",
            "How long the oldest waiting message has waited, by its sender's clock.",
        )
        for lane in lanes:
            labels = {"lane": wire.BULK_LANE if wire.is_bulk(lane) else wire.LANE}
            if model := wire.model_of(lane):
                labels["model"] = model
            waiting.add_sample(waiting.name, labels, self.seen.waiting(lane))
            if lane in fleet.bounds:
                bound.add_sample(bound.name, labels, fleet.bounds[lane])
            if lane in self.oldest_s:
                age.add_sample(age.name, labels, self.oldest_s[lane])
        yield from (waiting, bound, age)
        drain_s = fleet.drain_s(sum(map(self.seen.waiting, lanes)))
        if drain_s is not None:
            yield GaugeMetricFamily(
                "tilefleet_queue_drain_seconds", "Until all that waits is read.", drain_s
            )
