"""What ``tilefleet top`` shows, on a screen or as JSON: the fleet, its lanes, its workers."""

from collections import Counter
from time import strftime
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from producer.monitoring.detail import detail
from producer.monitoring.lanes import lanes, may_wait, models, models_as_object, names
from producer.monitoring.trend import Trend, latency_s, oldest_s
from producer.monitoring.watch import View
from producer.monitoring.workers import Workers, ordered, plain
from producer.terminal.progress import span
from producer.terminal.text import curve, sizes
from tilefleet.figures import Figures
from tilefleet.report import Report

if TYPE_CHECKING:
    from producer.monitoring.top import Choice


def as_object(server: str, view: View, trend: Trend, choice: "Choice") -> dict[str, Any]:
    """As plain JSON types; of one worker's detail, that worker alone."""
    recent = trend.total
    order = ordered(view, trend, choice.order, reverse=choice.reverse)
    return {
        "server": server,
        "rate": round(trend.rate, 1),
        "capacity": round(_capacity(view), 1) or None,
        "waiting": dict(view.waiting),
        "lanes": {
            lane: {
                "waiting": count,
                "may_wait": may_wait(view, lane),
                "oldest_s": _rounded(view.oldest_s.get(lane)),
                "workers": sum(lane in worker.bounds for worker in view.workers.values()),
            }
            for lane, count in view.waiting.items()
        },
        "models": models_as_object(view, trend),
        "claimed": view.claimed,
        "oldest_s": round(oldest_s(view), 1),
        "drain_s": _drain_s(view, trend),
        "latency_ms": _latencies(recent),
        "pass_size": round(recent.pass_size, 2),
        "pass_sizes": {str(size): recent.passes[size] for size in sorted(recent.passes)},
        "errors": dict(Counter(recent.errors)),
        "workers": {
            name: _worker(name, view.workers[name], trend)
            for name in order
            if choice.node in ("", name)
        },
    }


def _worker(name: str, worker: Report, trend: Trend) -> dict[str, Any]:
    recent, figures = trend.of(name), worker.figures
    return {
        "model": worker.model,
        "models": list(worker.models),
        "engine": figures.engine,
        "uptime_s": figures.uptime_s,
        "silent_s": round(trend.silent_s(name), 1),
        "rate": None if recent is None else round(recent.rate, 1),
        "capacity": worker.rate or None,
        "lanes": figures.lanes,
        "waiting": figures.waiting,
        "running": figures.running,
        "claimed": figures.claimed,
        "oldest_s": figures.oldest_s,
        "captchas": figures.captchas,
        "joined": figures.joined,
        "errors": dict(figures.errors),
        "pass_size": None if recent is None else round(recent.pass_size, 2),
        "latency_ms": _latencies(recent or Figures()),
    }


def screen(
    server: str,
    view: View,
    trend: Trend,
    *,
    choice: "Choice",
    trouble: str = "",
    keys: bool = False,
) -> RenderableType:
    """The fleet, its lanes, each worker or one in detail, and what passes and errors there were.

    `keys`: with what may be pressed.
    """
    parts: list[RenderableType] = [_head(server, trouble)]
    if worker := view.workers.get(choice.node):
        parts += [Text(), detail(choice.node, worker, trend)]
    elif choice.node:
        parts.append(Text(f"\n{plain(choice.node)} is gone", style="bold yellow"))
    else:
        parts += [_fleet(view, trend), Text(), lanes(view), Text()]
        if len(names(view)) > 1:
            parts += [models(view, trend), Text()]
        if view.workers:
            each = ordered(view, trend, choice.order, reverse=choice.reverse)
            parts += [Workers(view, trend, each, marked=choice.marked), Text()]
            parts.append(_recent(trend.total))
        else:
            advice = "no worker lives; start one with: tilefleet worker"
            parts.append(Text(advice, style="bold yellow"))
    if keys:
        by = f"{choice.order}{', reversed' if choice.reverse else ''}"
        told = f"\ns sort (by {by})  r reverse  ↑↓ choose  ⏎ one worker  esc all  q quit"
        parts.append(Text(told, style="dim"))
    return Group(*parts)


def _head(server: str, trouble: str) -> Text:
    head = Text.assemble(("tilefleet", "bold"), f"  {server}  {strftime('%H:%M:%S')}")
    if trouble:
        head.append(f"\n{trouble}", style="bold red")
    return head


def _fleet(view: View, trend: Trend) -> Table:
    """A figure a line, with how it has been for a minute."""
    capacity, drain_s = _capacity(view), _drain_s(view, trend)
    waiting, oldest, latency = sum(view.waiting.values()), oldest_s(view), latency_s(trend.total)
    count = len(view.workers)
    rows = (
        (f"{trend.rate:,.0f}", "captchas/s", curve(trend.rates), "green"),
        (f"{oldest:.1f} s", "the oldest waits", curve(trend.ages, least=1.0), "yellow"),
        (f"{latency * 1000:.3g} ms", "in a worker, median", curve(trend.latencies), "cyan"),
        (
            f"{waiting:,}",
            "wait" + (f"; read in about {span(max(drain_s, 1))}" if drain_s is not None else ""),
            "",
            "",
        ),
        (f"{view.claimed:,}", "in workers", "", ""),
        (
            f"{count:,}",
            ("worker" if count == 1 else "workers")
            + (f", which can do about {capacity:,.0f}/s" if capacity else ""),
            "",
            "",
        ),
    )
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(justify="right", min_width=8)
    table.add_column(no_wrap=True)
    for figure, what, shape, style in rows:
        table.add_row(Text(figure, style="bold"), Text.assemble(what, "  ", (shape[-40:], style)))
    return table


def _recent(recent: Figures) -> Table:
    """Pass sizes and errors of the last seconds, side by side."""
    grid = Table.grid(padding=(0, 6, 0, 0))
    grid.add_row(
        Text("passes of the last seconds, by size", "dim"), Text("failed, by class", "dim")
    )
    passes = Text(
        "\n".join(f"{name:>11} {row}" for name, row in sizes(recent.passes, 24)) or "none"
    )
    errors = [f"{count:8,} {plain(name)}" for name, count in Counter(recent.errors).most_common()]
    grid.add_row(passes, Text("\n".join(errors) or "none", style="red" if errors else ""))
    return grid


def _latencies(recent: Figures) -> dict[str, dict[str, float | None]]:
    """Milliseconds, to the next bucket's end; None if it took longer than the last one."""
    found: dict[str, dict[str, float | None]] = {}
    for name in recent.durations:
        values = {share: recent.quantile(name, share) for share in (0.5, 0.99)}
        if values[0.5] is not None:
            found[name] = {
                f"p{share * 100:g}": None if value in (None, float("inf")) else value * 1000
                for share, value in values.items()
            }
    return found


def _capacity(view: View) -> float:
    return sum(worker.rate for worker in view.workers.values())


def _drain_s(view: View, trend: Trend) -> float | None:
    """Seconds until what waits is read; None if nothing does, or nobody knows."""
    waiting = sum(view.waiting.values())
    rate = max(_capacity(view), trend.rate)
    return round(waiting / rate, 1) if waiting and rate else None


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)
