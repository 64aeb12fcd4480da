"""One worker on the screen: ``tilefleet top NODE``, or Enter on its line."""

from collections import Counter
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from producer.monitoring.trend import Trend
from producer.monitoring.workers import milliseconds, plain
from producer.terminal.progress import span
from producer.terminal.text import curve, sizes
from tilefleet.figures import Figures
from tilefleet.report import Report

#: What captchas go through in a worker, in this order.
_STEPS: Final = ("decode", "wait", "pass", "store")


def detail(name: str, worker: Report, trend: Trend) -> RenderableType:
    """What it is, how fast it is and was, what it holds, where the time goes, what failed."""
    figures, recent = worker.figures, trend.of(name)
    silent_s = trend.silent_s(name)
    head = Text(plain(name), style="bold")
    if silent_s:
        head.append(f"  silent {silent_s:.0f} s", style="bold yellow")
    engine = f"{figures.engine} ×{figures.lanes}, up to {figures.max_batch} a pass"
    may_wait = ", ".join(f"{most:,} on {lane}" for lane, most in worker.bounds.items())
    rows = (
        ("model", plain(f"{', '.join(worker.models)}  ({engine})")),
        ("up", span(figures.uptime_s)),
        ("rate", _rate(recent, worker, trend, name)),
        (
            "holds",
            f"{figures.claimed:,} messages; {figures.waiting:,} wait, {figures.running:,} run",
        ),
        ("oldest", f"{figures.oldest_s:.1f} s in the worker" if figures.waiting else "none waits"),
        ("may wait", may_wait or "nothing: it reads no lane"),
        ("answered", f"{figures.captchas:,} by passes, {figures.joined:,} without one"),
    )
    about = Table.grid(padding=(0, 2, 0, 0))
    for title, value in rows:
        about.add_row(Text(title, style="dim"), Text(value))
    return Group(head, about, Text(), _times(recent), Text(), _counts(figures, recent))


def _rate(recent: Figures | None, worker: Report, trend: Trend, name: str) -> str:
    now = "…" if recent is None else f"{recent.rate:,.0f}/s"
    can = f", can do about {worker.rate:,.0f}/s" if worker.rate else ""
    return f"{now}{can}  {curve(trend.rates_of.get(name, ()))}"


def _times(recent: Figures | None) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for title in ("last seconds", "p50", "p90", "p99"):
        table.add_column(title, justify="left" if title[0] == "l" else "right", no_wrap=True)
    for step in _STEPS:
        each = [(recent or Figures()).quantile(step, share) for share in (0.5, 0.9, 0.99)]
        table.add_row(step, *map(milliseconds, each))
    return table


def _counts(figures: Figures, recent: Figures | None) -> Table:
    """Pass sizes and errors, since its start; of errors also how many of them are new."""
    grid = Table.grid(padding=(0, 6, 0, 0))
    grid.add_row(Text("passes since its start, by size", "dim"), Text("failed, by class", "dim"))
    passes = "\n".join(f"{name:>11} {row}" for name, row in sizes(figures.passes, 24))
    new = Counter((recent or Figures()).errors)
    errors = [
        f"{count:8,} {plain(name)}" + (f"  (+{new[name]:,})" if new[name] else "")
        for name, count in Counter(figures.errors).most_common()
    ]
    grid.add_row(
        Text(passes or "none"), Text("\n".join(errors) or "none", style="red" if errors else "")
    )
    return grid
