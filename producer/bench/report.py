"""What ``tilefleet bench`` shows: a table, one JSON object, a picture of the latencies."""

from pathlib import Path
from typing import Any, Final

from producer.bench.load import Plan, Tally
from producer.terminal.text import sizes
from tilefleet.figures import Figures

#: Width of the longest bar, columns.
_BAR: Final = 30


def as_object(plan: Plan, tally: Tally, workers: int, figures: Figures | None) -> dict[str, Any]:
    """As plain JSON types; `figures` of the workers over the run, or None if nobody told."""
    encoded: dict[str, Any] = {
        "loop": "open" if plan.rate else "closed",
        "clients": None if plan.rate else plan.clients,
        "rate": plan.rate or None,
        "seconds": round(tally.seconds, 3),
        "duplicates": plan.duplicates,
        "bad": plan.bad,
        "sent": tally.sent,
        "answered": tally.answered,
        "throughput": round(tally.throughput, 1),
        "latency_ms": {
            name: None if value is None else round(value * 1000, 2)
            for name, value in _latencies(tally).items()
        },
        "errors": dict(tally.errors.most_common()),
        "bad_refused": dict(tally.refused.most_common()),
        "bad_answered": tally.accepted,
        "models": dict(tally.models.most_common()),
        "workers": workers,
    }
    if figures is not None:
        encoded["passes"] = {
            "count": sum(figures.passes.values()),
            "mean_size": round(figures.pass_size, 2),
            "sizes": {str(size): figures.passes[size] for size in sorted(figures.passes)},
            "joined": figures.joined,
        }
    return encoded


def as_text(plan: Plan, tally: Tally, workers: int, figures: Figures | None) -> str:
    """For people; the same figures."""
    rows = [("load", _load(plan))]
    missing = tally.sent - tally.answered - tally.refused.total() - tally.accepted
    failed = f", {missing:,} not" if missing else ""
    rows.append(("captchas", f"{tally.sent:,} sent, {tally.answered:,} answered{failed}"))
    rows.append(("throughput", f"{tally.throughput:,.0f} captchas/s over {tally.seconds:.1f} s"))
    shown = [
        f"{name} {'-' if value is None else _milliseconds(value)}"
        for name, value in _latencies(tally).items()
    ]
    rows.append(("latency, ms", "   ".join(shown)))
    if tally.errors:
        rows.append(("errors", _counted(tally.errors)))
    if tally.refused or tally.accepted:
        accepted = f"; {tally.accepted:,} answered all the same" if tally.accepted else ""
        rows.append(("bad images", f"refused: {_counted(tally.refused) or 'none'}{accepted}"))
    if figures is None:
        rows.append(("passes", "no worker told of any"))
    else:
        count = sum(figures.passes.values())
        joined = f"; {figures.joined:,} captchas joined others" if figures.joined else ""
        rows.append(
            ("passes", f"{count:,}, of {figures.pass_size:.1f} captchas on average{joined}")
        )
        rows += [(f"  {name}", row) for name, row in sizes(figures.passes, _BAR)]
    of = "worker" if workers == 1 else "workers"
    engine = f" ({figures.engine})" if figures else ""
    rows.append(("fleet", f"{workers} {of}, {', '.join(tally.models) or 'no answer'}{engine}"))
    return "\n".join(f"{name:<13}{value}" for name, value in rows)


def draw(plan: Plan, tally: Tally, path: Path) -> None:
    """A histogram of the latencies, as the picture format that the file's name says.

    Raises OSError or ValueError if it cannot be written so.
    """
    import numpy as np
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    taken = np.array(tally.latencies) * 1000
    figure = Figure(figsize=(9, 4.6), dpi=130, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(
        f"{_load(plan)}\n{tally.answered:,} answers, {tally.throughput:,.0f} captchas/s",
        loc="left",
        fontsize=11,
    )
    axes.set_xlabel("latency, ms (logarithmic)")
    axes.set_ylabel("captchas")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    if taken.size:
        low, high = taken.min() * 0.95, taken.max() * 1.25
        bins = np.geomspace(low, high, 61)
        axes.hist(taken, bins=bins.tolist(), color="#3f7fbf", edgecolor="white", linewidth=0.4)
        axes.set_xscale("log")
        axes.set_xlim(low, high)
        plain = FuncFormatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_major_formatter(plain)
        axes.xaxis.set_minor_formatter(plain)
        axes.tick_params(axis="x", which="both", labelsize=8)
        top = axes.get_ylim()[1]
        marks = [(name, s) for name, s in _latencies(tally).items() if s and name[0] == "p"]
        for number, (name, seconds) in enumerate(marks):
            axes.axvline(seconds * 1000, color="#c2452f", linewidth=1, linestyle=(0, (4, 2)))
            axes.annotate(
                f"{name} {_milliseconds(seconds)}",
                (seconds * 1000, top * (0.98 - 0.08 * number)),
                xytext=(4, 0),
                textcoords="offset points",
                color="#c2452f",
                fontsize=9,
                va="top",
            )
    figure.savefig(path)


def _latencies(tally: Tally) -> dict[str, float | None]:
    """Seconds, by name."""
    mean = sum(tally.latencies) / tally.answered if tally.answered else None
    shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
    return {"mean": mean, **{name: tally.quantile(share) for name, share in shares.items()}}


def _load(plan: Plan) -> str:
    if plan.rate:
        kind = f"open loop, {plan.rate:,.0f} captchas/s (Poisson)"
    else:
        kind = f"closed loop, {plan.clients} client{'s' if plan.clients > 1 else ''}"
    shares = [("duplicates", plan.duplicates), ("bad images", plan.bad)]
    return ", ".join([kind, *(f"{share:.0%} {name}" for name, share in shares if share)])


def _counted(counts: Any) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.most_common())


def _milliseconds(seconds: float) -> str:
    value = seconds * 1000
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
