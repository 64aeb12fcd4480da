"""Three times what the fleet can do: how much of that is still answered in time.

    python -m benchmarks.overload [--rounds 3] [--seconds 10] [--json]

The capacity is what a worker (real engine, one core) answers when always enough waits. Then
captchas come at three times that rate, at random, with a deadline; those that are refused go away.
The load is that of `tilefleet bench`.
"""

import argparse
import os
from pathlib import Path
from statistics import median

from benchmarks.endtoend import images
from benchmarks.support import report
from producer.bench import load
from producer.bench.load import Plan, Tally
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess

_WORKER_CORE, _OTHER_CORE = 0, 1
_DEADLINE_S = 4.0
_MAX_WAITING = 400


def capacity(url: str, pictures: list[bytes], seconds: float) -> float:
    """Captchas a second of 128 clients."""
    tally = Tally()
    load.measure(Plan(pictures, seconds=seconds, clients=128), tally, broker_url=url)
    return tally.throughput


def goodput(url: str, pictures: list[bytes], rate: float, seconds: float) -> dict[str, float]:
    """Open loop at `rate`: shares of what was sent, and answers in time a second."""
    tally = Tally()
    plan = Plan(pictures, seconds=seconds, rate=rate, timeout=_DEADLINE_S)
    load.measure(plan, tally, broker_url=url)
    return {
        "offered": tally.sent / seconds,
        "goodput": tally.throughput,
        "refused": tally.errors["Overloaded"] / tally.sent,
        "late": (tally.errors["AnswerTimeout"] + tally.errors["Revoked"]) / tally.sent,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    os.sched_setaffinity(0, {_OTHER_CORE})
    pictures = [path.read_bytes() for path in images()]
    environ = {"TILEFLEET_MAX_WAITING": str(_MAX_WAITING)}
    capacities, runs = [], []
    with (
        EmbeddedServer() as server,
        WorkerProcess(server.url, "-c", "1", environ=environ) as worker,
    ):
        assert worker.process is not None
        for task in Path(f"/proc/{worker.process.pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), {_WORKER_CORE})
        for _ in range(options.rounds):
            capacities.append(capacity(server.url, pictures, options.seconds / 2))
            runs.append(goodput(server.url, pictures, 3 * capacities[-1], options.seconds))
    shares = [run["goodput"] / full for run, full in zip(runs, capacities, strict=True)]
    report.show(
        "Three times the capacity, real engine on one core",
        ["what", "median (least to most)"],
        [
            ["capacity, captchas/s", report.spread(capacities)],
            ["offered, captchas/s", report.spread([run["offered"] for run in runs])],
            ["answered in time, captchas/s", report.spread([run["goodput"] for run in runs])],
            ["of the capacity", report.spread(shares)],
            ["refused, share", report.spread([run["refused"] for run in runs])],
            ["late, share", report.spread([run["late"] for run in runs])],
        ],
        caveats=[
            f"{options.rounds} rounds of {options.seconds:g} s; deadline {_DEADLINE_S:g} s; "
            f"{_MAX_WAITING} may wait",
            "the sender shares a core with the server",
            "from the first sending to the last answer, the time to drain included",
        ],
        as_json=options.json,
        extra={"goodput": median(shares)},
    )


if __name__ == "__main__":
    main()
