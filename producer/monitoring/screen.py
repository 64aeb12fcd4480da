"""``tilefleet top``: the fleet on one screen, as its workers tell it once a second.

A look costs the server a few reads, however large the fleet is; nothing is asked of the workers
(`producer.monitoring.watch`). Rates, pass sizes and latencies are those of the last seconds
(`producer.monitoring.trend`).
"""

import json
import sys
from collections import Counter, deque
from time import sleep, strftime
from typing import Any, Final

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from producer.monitoring.trend import Trend
from producer.monitoring.watch import View, Watch
from producer.monitoring.workers import Workers
from producer.terminal.progress import span
from producer.terminal.text import sizes
from tilefleet import report, wire
from tilefleet.errors import FleetUnreachable
from tilefleet.figures import Figures
from tilefleet.report import Report
from tilefleet.settings import Settings

_STEPS: Final = "▁▂▃▄▅▆▇█"
#: Width where there is no screen: a line for each worker, whatever they are called.
_WIDTH: Final = 500


def run(settings: Settings, *, every_s: float, once: bool, as_json: bool) -> None:
    """Until Ctrl-C, or one look; raises FleetUnreachable if the first one shows nothing."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    trend = Trend()
    with Watch(settings) as watch:
        trend.add(watch.look())
        try:
            if once:
                # What has happened is the difference of two lines.
                sleep(1.5 * report.EVERY_S)
                view = watch.look()
                trend.add(view)
                _print(console, watch.server, view, trend, as_json=as_json)
            elif as_json or not console.is_terminal:
                while True:
                    sleep(every_s)
                    view = watch.look()
                    trend.add(view)
                    _print(console, watch.server, view, trend, as_json=as_json)
            else:
                _live(console, watch, trend, every_s)
        except KeyboardInterrupt:
            # How one leaves it.
            pass


def _live(console: Console, watch: Watch, trend: Trend, every_s: float) -> None:
    view, trouble = View(), ""
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            try:
                view, trouble = watch.look(), ""
                trend.add(view)
            except FleetUnreachable as error:
                trouble = str(error)
            live.update(screen(watch.server, view, trend, trouble=trouble), refresh=True)
            sleep(every_s)


def _print(console: Console, server: str, view: View, trend: Trend, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(as_object(server, view, trend), ensure_ascii=False))
        sys.stdout.flush()
    else:
        console.print(screen(server, view, trend))


def as_object(server: str, view: View, trend: Trend) -> dict[str, Any]:
    """As plain JSON types."""
    recent = trend.total
    return {
        "server": server,
        "rate": round(trend.rate, 1),
        "capacity": round(_capacity(view), 1) or None,
        "waiting": dict(view.waiting),
        "claimed": view.claimed,
        "drain_s": _drain_s(view, trend),
        "latency_ms": _latencies(recent),
        "pass_size": round(recent.pass_size, 2),
        "pass_sizes": {str(size): recent.passes[size] for size in sorted(recent.passes)},
        "errors": dict(Counter(recent.errors)),
        "workers": {name: _worker(name, worker, trend) for name, worker in view.workers.items()},
    }


def _worker(name: str, worker: Report, trend: Trend) -> dict[str, Any]:
    recent, figures = trend.of(name), worker.figures
    return {
        "model": worker.model,
        "engine": figures.engine,
        "uptime_s": figures.uptime_s,
        "silent_s": round(trend.silent_s(name), 1),
        "rate": None if recent is None else round(recent.rate, 1),
        "capacity": worker.rate or None,
        "lanes": figures.lanes,
        "waiting": figures.waiting,
        "running": figures.running,
        "captchas": figures.captchas,
        "joined": figures.joined,
        "errors": dict(figures.errors),
        "pass_size": None if recent is None else round(recent.pass_size, 2),
        "latency_ms": _latencies(recent or Figures()),
    }


def screen(server: str, view: View, trend: Trend, *, trouble: str = "") -> RenderableType:
    """What is seen: the fleet, each worker, and what passes and errors there were."""
    parts: list[RenderableType] = [_head(server, trouble), _fleet(view, trend), Text()]
    if view.workers:
        parts += [Workers(view, trend), Text(), _recent(trend.total)]
    else:
        advice = "no worker lives; start one with: celery -A worker worker"
        parts.append(Text(advice, style="bold yellow"))
    return Group(*parts)


def _head(server: str, trouble: str) -> Text:
    head = Text.assemble(("tilefleet", "bold"), f"  {server}  {strftime('%H:%M:%S')}")
    if trouble:
        head.append(f"\n{trouble}", style="bold red")
    return head


def _fleet(view: View, trend: Trend) -> Text:
    capacity, drain_s = _capacity(view), _drain_s(view, trend)
    line = Text()
    line.append(f"\n{trend.rate:8,.0f}", style="bold green")
    line.append(" captchas/s  ")
    line.append(_curve(trend.curve), style="green")
    line.append(f"\n{sum(view.waiting.values()):8,}", style="bold")
    bulk = view.waiting.get(wire.BULK_LANE, 0)
    line.append(" wait" + (f", {bulk:,} of them in bulk" if bulk else ""))
    if drain_s is not None:
        line.append(f"; read in about {span(drain_s) if drain_s >= 1 else '1 s'}")
    line.append(f"\n{view.claimed:8,}", style="bold")
    line.append(" in workers")
    line.append(f"\n{len(view.workers):8,}", style="bold")
    line.append(" worker" + ("s" if len(view.workers) != 1 else ""))
    if capacity:
        line.append(f", which can do about {capacity:,.0f}/s")
    return line


def _recent(recent: Figures) -> Table:
    """Pass sizes and errors of the last seconds, side by side."""
    grid = Table.grid(padding=(0, 6, 0, 0))
    grid.add_row(
        Text("passes of the last seconds, by size", "dim"), Text("failed, by class", "dim")
    )
    passes = Text(
        "\n".join(f"{name:>11} {row}" for name, row in sizes(recent.passes, 30)) or "none"
    )
    errors = [f"{count:8,} {name}" for name, count in Counter(recent.errors).most_common()]
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


def _curve(rates: deque[float]) -> str:
    most = max(rates, default=0.0)
    if not most:
        return ""
    return "".join(_STEPS[round(rate / most * (len(_STEPS) - 1))] for rate in rates)
