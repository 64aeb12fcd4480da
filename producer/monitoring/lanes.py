"""The lanes and the models in ``tilefleet top``: what waits for which, who reads it."""

from typing import Any

from rich.table import Table
from rich.text import Text

from producer.monitoring.trend import Trend
from producer.monitoring.watch import View
from producer.monitoring.workers import plain
from tilefleet import wire


def may_wait(view: View, lane: str) -> int | None:
    """Messages that may wait on a lane before senders are refused; None: any number."""
    bounds = [worker.bounds[lane] for worker in view.workers.values() if lane in worker.bounds]
    return sum(bounds) if bounds else None


def lanes(view: View) -> Table:
    """A line for each; those of a model, where it is one of several or something waits there."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for title in ("lane", "wait", "may wait", "oldest", "workers"):
        table.add_column(title, justify="left" if title == "lane" else "right", no_wrap=True)
    several = len(names(view)) > 1
    for lane in [*wire.LANES, *(lane for lane in view.waiting if lane not in wire.LANES)]:
        if wire.model_of(lane) and not (several or view.waiting[lane]):
            continue
        bound, age = may_wait(view, lane), view.oldest_s.get(lane)
        table.add_row(
            plain(lane),
            f"{view.waiting.get(lane, 0):,}",
            "any" if bound is None else f"{bound:,}",
            "-" if age is None else f"{age:.1f} s",
            f"{sum(lane in worker.bounds for worker in view.workers.values())}",
        )
    return table


def names(view: View) -> list[str]:
    """Of the models for which there are lanes that a worker reads."""
    read = {lane for worker in view.workers.values() for lane in worker.bounds}
    return sorted({wire.model_of(lane) for lane in read} - {""})


def models(view: View, trend: Trend) -> Table:
    """A line for each: where it is held, how much of it was read in the last seconds."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for title in ("model", "workers", "rate/s", "failed/s"):
        table.add_column(title, justify="left" if title == "model" else "right", no_wrap=True)
    for name, told in models_as_object(view, trend).items():
        table.add_row(
            plain(", ".join(told["models"]) or name),
            f"{told['workers']}",
            f"{told['rate']:,.0f}",
            Text(f"{told['failed']:,.1f}", style="red" if told["failed"] else ""),
        )
    return table


def models_as_object(view: View, trend: Trend) -> dict[str, dict[str, Any]]:
    """As plain JSON types, by the models' names: those that are held, and that have been read."""
    each = [recent for name in view.workers if (recent := trend.of(name)) is not None]
    known = {*names(view), *(name for recent in each for name in recent.answered_by)}
    held = [model for worker in view.workers.values() for model in worker.models]
    return {
        name: {
            "models": sorted({model for model in held if model.rpartition("@")[0] == name}),
            "workers": sum(
                bool({wire.lane(name), wire.lane(name, bulk=True)} & worker.bounds.keys())
                for worker in view.workers.values()
            ),
            "rate": round(sum(_a_second(one.answered_by, name, one.uptime_s) for one in each), 1),
            "failed": round(sum(_a_second(one.failed_by, name, one.uptime_s) for one in each), 1),
        }
        for name in sorted(known)
    }


def _a_second(counts: Any, name: str, seconds: float) -> float:
    return float(counts.get(name, 0) / seconds) if seconds else 0.0
