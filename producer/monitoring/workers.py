"""The table of workers in ``tilefleet top``: a line for each, or two where the screen is narrow.

What a worker is called can always be read in full: it is what other commands take.
"""

from collections.abc import Callable, Mapping
from typing import Final

from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from producer.monitoring.trend import Trend
from producer.monitoring.watch import View
from producer.terminal.progress import span
from tilefleet.figures import Figures
from tilefleet.report import Report

#: Wider than any table.
_UNBOUNDED: Final = 10_000
_FIGURES: Final = ("rate/s", "wait", "run", "size", "wait p50 p99", "pass p50 p99", "failed")


#: What workers can be sorted by; the largest first, but names.
ORDERS: Final[Mapping[str, Callable[[Report, Figures | None], float]]] = {
    "name": lambda worker, recent: 0.0,
    "rate": lambda worker, recent: recent.rate if recent else 0.0,
    "wait": lambda worker, recent: worker.figures.waiting,
    "oldest": lambda worker, recent: worker.figures.oldest_s,
    "failed": lambda worker, recent: worker.figures.failed,
    "up": lambda worker, recent: worker.figures.uptime_s,
}


def ordered(view: View, trend: Trend, by: str, *, reverse: bool) -> list[str]:
    """The workers' names, sorted by one of `ORDERS`, and by name where they are alike."""
    size = ORDERS[by]
    found = sorted(view.workers, key=lambda name: (-size(view.workers[name], trend.of(name)), name))
    return found[::-1] if reverse else found


class Workers:
    """Rendered for the width that there is."""

    def __init__(self, view: View, trend: Trend, names: list[str], *, marked: str = "") -> None:
        """In the order of `names`; one of them is `marked`."""
        self._workers = {name: view.workers[name] for name in names}
        self._trend, self._marked = trend, marked

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wide = self._wide()
        needed = console.measure(wide, options=options.update(max_width=_UNBOUNDED)).maximum
        if needed <= options.max_width:
            yield wide
            return
        header, *figures = console.render_lines(self._figures(), options, pad=False)
        yield from header
        yield Segment.line()
        for (name, worker), line in zip(self._workers.items(), figures, strict=False):
            about = (_model(worker), _engine(worker), _up(worker))
            yield Text("  ").join([self._name(name, "bold"), *about])
            yield from line
            yield Segment.line()

    def _wide(self) -> Table:
        table = _table()
        for title in ("worker", "model", "engine"):
            table.add_column(title, no_wrap=True)
        self._add_figures(table)
        table.add_column("up", justify="right", no_wrap=True)
        for name, worker in self._workers.items():
            about = (self._name(name), _model(worker), _engine(worker))
            table.add_row(*about, *self._cells(name, worker), _up(worker))
        return table

    def _name(self, name: str, style: str = "") -> Text:
        return Text(plain(name), style="reverse" if name == self._marked else style)

    def _figures(self) -> Table:
        table = _table()
        self._add_figures(table)
        for name, worker in self._workers.items():
            table.add_row(*self._cells(name, worker))
        return table

    @staticmethod
    def _add_figures(table: Table) -> None:
        for title in _FIGURES:
            table.add_column(title, justify="right", no_wrap=True)

    def _cells(self, name: str, worker: Report) -> list[Text]:
        recent, figures = self._trend.of(name), worker.figures
        return [
            _rate(recent, self._trend.silent_s(name)),
            Text(f"{figures.waiting:,}"),
            Text(f"{figures.running:,}"),
            Text(f"{recent.pass_size:.1f}" if recent and recent.passes else "-"),
            Text(_pair(recent, "wait")),
            Text(_pair(recent, "pass")),
            Text(f"{figures.failed:,}", style="red" if recent and recent.failed else ""),
        ]


def _table() -> Table:
    return Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))


def _model(worker: Report) -> Text:
    more = f" +{len(worker.others)}" if worker.others else ""
    return Text(plain(worker.model) + more)


def _engine(worker: Report) -> Text:
    return Text(plain(f"{worker.figures.engine} ×{worker.figures.lanes}"))


def _up(worker: Report) -> Text:
    return Text(span(worker.figures.uptime_s))


def plain(text: str) -> str:
    """What anybody may have written into the hash, without what moves a terminal's cursor."""
    return "".join(each if each.isprintable() else "�" for each in text)


def _rate(recent: Figures | None, silent_s: float) -> Text:
    if silent_s:
        return Text(f"silent {silent_s:.0f} s", style="bold yellow")
    return Text("…" if recent is None else f"{recent.rate:,.0f}")


def _pair(recent: Figures | None, name: str) -> str:
    """Median and 99th percentile, milliseconds, to the next bucket's end."""
    if recent is None or recent.quantile(name, 0.5) is None:
        return "-"
    return " ".join(milliseconds(recent.quantile(name, share)) for share in (0.5, 0.99))


def milliseconds(seconds: float | None) -> str:
    """For people; a dash where there is none."""
    if seconds is None:
        return "-"
    return ">10 s" if seconds == float("inf") else f"{seconds * 1000:g} ms"
