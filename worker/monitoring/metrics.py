"""Prometheus metrics of this worker, on ``http://TILEFLEET_METRICS/metrics``.

Nothing is counted for them: a scrape reads what the parts have counted anyway, so captchas pay
nothing. What waits in the queues is the fleet's and told by the gateway; a worker tells of itself
only, so sums over workers are right.
"""

import logging
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

from prometheus_client import ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from tilefleet.figures import BOUNDS
from worker.engine_room.durations import Durations
from worker.engine_room.room import EngineRoom
from worker.engine_room.tally import Tally
from worker.hub.coordinator import Coordinator
from worker.monitoring.page import Page, Registry
from worker.monitoring.presence import bounds
from worker.monitoring.reporter import Pace
from worker.results.quarantine import Quarantine
from worker.results.writer import Writer
from worker.transport.counts import counts

logger = logging.getLogger(__name__)

#: Captchas in a pass: upper ends of the buckets.
_SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)

_HELP: Final = {
    "decode": "From an image's bytes to its crops.",
    "wait": "From a captcha's arrival in the worker to the start of its pass.",
    "pass": "The pass that a captcha was read in.",
    "store": "The pipeline that a captcha's result was written in, until its last reply.",
}


@dataclass(frozen=True, slots=True)
class Parts:
    """What has the figures."""

    worker: Any
    room: EngineRoom
    coordinator: Coordinator
    writer: Writer
    quarantine: Quarantine
    pace: Pace


class Metrics:
    """The page, for as long as the worker runs."""

    def __init__(self, parts: Parts, address: str, *, fleet: str) -> None:
        """`address`: see `Page`. Raises SettingError where nobody can listen there.

        `fleet`: the label of all.
        """
        registry = Registry(fleet)
        registry.register(_Collector(parts))
        ProcessCollector(registry=registry)
        self._page = Page(registry, address)
        self._page.start()

    def close(self) -> None:
        self._page.close()


class _Collector(Collector):
    """Reads the parts' figures at each scrape."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def describe(self) -> list[Metric]:
        """Nothing beforehand: registering must not ask for figures."""
        return []

    def collect(self) -> Iterator[Metric]:
        parts = self._parts
        yield from self._now()
        yield from self._so_far()
        for name, durations in parts.room.durations.items():
            yield _seconds(name, durations)
        yield _seconds("store", parts.writer.durations)
        yield _sizes(parts.room.held.tallies)

    def _now(self) -> Iterator[Metric]:
        room = self._parts.room
        yield GaugeMetricFamily(
            "tilefleet_worker_ready", "1 if it takes captchas.", float(_ready(self._parts.worker))
        )
        held = InfoMetricFamily(
            "tilefleet_worker_model",
            "The models that it holds, what runs them, and which reads what names none.",
            labels=["default"],
        )
        here = GaugeMetricFamily(
            "tilefleet_worker_model_captchas",
            "Claimed captchas that wait or are being read, by model.",
            labels=["model"],
        )
        for each in room.held:
            default = "yes" if each is room.held.default else "no"
            about = {"model": each.engine.model, "engine": type(each.engine).__name__}
            held.add_metric([default], about)
            here.add_metric([each.name], each.open)
        yield from (held, here)
        yield GaugeMetricFamily(
            "tilefleet_worker_sessions", "Passes that run side by side.", room.sessions
        )
        yield GaugeMetricFamily(
            "tilefleet_worker_lanes",
            "As tilefleet_worker_sessions, under its former name.",
            room.sessions,
        )
        yield GaugeMetricFamily(
            "tilefleet_worker_claimed_messages",
            "Messages that it has claimed and not acknowledged.",
            self._parts.coordinator.claimed,
        )
        yield GaugeMetricFamily(
            "tilefleet_worker_waiting_captchas", "Claimed captchas without a pass.", room.waiting
        )
        yield GaugeMetricFamily(
            "tilefleet_worker_running_captchas", "Captchas that are being read.", room.running
        )
        arrived = room.oldest
        yield GaugeMetricFamily(
            "tilefleet_worker_oldest_seconds",
            "How long the oldest of the waiting captchas has been in the worker.",
            0.0 if arrived is None else monotonic() - arrived,
        )
        yield GaugeMetricFamily(
            "tilefleet_worker_captchas_per_second",
            "What it reads when it has more than enough to do; 0 while that is unknown.",
            self._parts.pace.rate,
        )

    def _so_far(self) -> Iterator[Metric]:
        parts = self._parts
        outcomes = CounterMetricFamily(
            "tilefleet_worker_captchas",
            "Captchas by outcome (answered, dropped, which is revoked or expired, or the error's "
            "class) and by model; without one where the message was refused.",
            labels=["outcome", "model"],
        )
        for (model, outcome), count in _outcomes(parts).items():
            outcomes.add_metric([outcome, model], count)
        yield outcomes
        fates = CounterMetricFamily(
            "tilefleet_worker_suspects",
            "Captchas that came back from a worker that is gone, and what was done with them.",
            labels=["fate"],
        )
        for fate, count in parts.quarantine.counts.items():
            fates.add_metric([fate], count)
        yield fates
        caches = {each.name: each.tile_cache for each in parts.room.held}
        if any(caches.values()):
            looked_up = CounterMetricFamily(
                "tilefleet_worker_cache_tiles",
                "Tiles by what the tile cache found (hit: no network was asked) and by model.",
                labels=["found", "model"],
            )
            for model, cache in caches.items():
                looked_up.add_metric(["hit", model], (cache or {}).get("hits", 0))
                looked_up.add_metric(["miss", model], (cache or {}).get("misses", 0))
            yield looked_up
        joined = CounterMetricFamily(
            "tilefleet_worker_joined_captchas",
            "Captchas that joined one with the same bytes, by model.",
            labels=["model"],
        )
        kept = CounterMetricFamily(
            "tilefleet_worker_cached_captchas",
            "Captchas that got a kept answer, by model.",
            labels=["model"],
        )
        for name, tally in dict(parts.room.held.tallies).items():
            joined.add_metric([name], tally.joined)
            kept.add_metric([name], tally.kept)
        yield from (joined, kept)
        for name, what, count in (
            ("stored_pipelines", "Pipelines that results were written in.", parts.writer.pipelines),
            ("messages", "Messages claimed.", counts.claimed),
            (
                "exchanges",
                "Exchanges with the server that claim and acknowledge.",
                counts.exchanges,
            ),
            ("restored_leases", "Messages of lost workers that were put back.", counts.restored),
            ("unreadable_messages", "Messages that nobody could read.", counts.unreadable),
        ):
            yield CounterMetricFamily(f"tilefleet_worker_{name}", what, count)


def _ready(worker: Any) -> bool:
    """Whether it is connected and reads a lane; it is scraped while Celery starts and stops."""
    with suppress(AttributeError):
        consumer = worker.consumer
        connected = consumer.task_consumer is not None and consumer.connection.connected
        return bool(connected and bounds(worker))
    return False


def _seconds(name: str, durations: Durations) -> Metric:
    counts_, total = durations.snapshot()
    bounds = [*map(str, BOUNDS), "+Inf"]
    family = HistogramMetricFamily(f"tilefleet_worker_{name}_seconds", _HELP[name])
    family.add_metric([], _cumulative(bounds, counts_), total)
    return family


def _outcomes(parts: Parts) -> Counter[tuple[str, str]]:
    """How many captchas, by model and outcome; what no model was found for has none."""
    found = Counter(dict(parts.coordinator.outcomes))
    for each in parts.room.held:
        found.update({(each.name, "answered"): 0, (each.name, "dropped"): 0})
    bound: Counter[str] = Counter()
    for (_, outcome), count in found.items():
        bound[outcome] += count
    for error, count in dict(parts.coordinator.errors).items():
        if count > bound[error]:
            found["", error] = count - bound[error]
    return found


def _sizes(tallies: Mapping[str, Tally]) -> Metric:
    """How many captchas the passes answered, from how many passes there were of each size."""
    family = HistogramMetricFamily(
        "tilefleet_worker_pass_captchas", "Captchas that a pass answered.", labels=["model"]
    )
    for model, tally in dict(tallies).items():
        found = [0] * (len(_SIZES) + 1)
        for size, times in dict(tally.passes).items():
            found[bisect_left(_SIZES, size)] += times
        buckets = _cumulative([*map(str, map(float, _SIZES)), "+Inf"], found)
        family.add_metric([model], buckets, tally.captchas)
    return family


def _cumulative(bounds: list[str], found: list[int]) -> list[tuple[str, float]]:
    reached, buckets = 0, []
    for bound, count in zip(bounds, found, strict=True):
        reached += count
        buckets.append((bound, float(reached)))
    return buckets
