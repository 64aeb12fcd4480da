"""Three times what the fleet can do: how much of that is still answered in time.

    python -m benchmarks.overload [--rounds 3] [--seconds 10] [--json]

The capacity is what a worker (real engine, one core) answers when always enough waits. Then senders
come at three times that rate, by the clock, with a deadline; those that are refused go away.
"""

import argparse
import os
from pathlib import Path
from statistics import median
from threading import Thread
from time import monotonic, sleep

from benchmarks import report
from benchmarks.endtoend import images
from models.errors import Overloaded, TilefleetError
from producer import Client
from producer.client import Pending
from producer.embedded import EmbeddedServer
from producer.workers import WorkerProcess

_WORKER_CORE, _OTHER_CORE = 0, 1
_DEADLINE_S = 4.0
_MAX_WAITING = 400


def capacity(fleet: Client, pictures: list[bytes], seconds: float) -> float:
    """Captchas a second with a window of 128."""

    def sources():
        ends, number = monotonic() + seconds, 0
        while monotonic() < ends:
            number += 1
            yield pictures[number % len(pictures)] + number.to_bytes(4, "big")

    started = monotonic()
    count = sum(1 for _ in fleet.map(sources(), window=128))
    return count / (monotonic() - started)


def goodput(fleet: Client, pictures: list[bytes], rate: float, seconds: float) -> dict[str, float]:
    """Open loop at `rate`: shares of what was sent, and answers in time a second."""
    accepted: list[tuple[float, Pending]] = []
    counts = {"answered": 0, "late": 0, "refused": 0}
    done = False

    def collect() -> None:
        position = 0
        while not done or position < len(accepted):
            if position == len(accepted):
                sleep(0.002)
                continue
            ends, pending = accepted[position]
            position += 1
            try:
                pending.result(max(0.01, ends - monotonic()))
                counts["answered"] += 1
            except TilefleetError:
                counts["late"] += 1

    collector = Thread(target=collect)
    collector.start()
    started = monotonic()
    sent = 0
    while (now := monotonic()) < started + seconds:
        if sent / rate > now - started:
            sleep(sent / rate - (now - started))
        sent += 1
        data = pictures[sent % len(pictures)] + (1 << 30 | sent).to_bytes(4, "big")
        try:
            pending = fleet.submit(data, expires=_DEADLINE_S)
            accepted.append((monotonic() + _DEADLINE_S, pending))
        except Overloaded:
            counts["refused"] += 1
    offered = sent / (monotonic() - started)
    done = True
    collector.join()
    elapsed = monotonic() - started
    return {
        "offered": offered,
        "goodput": counts["answered"] / elapsed,
        "refused": counts["refused"] / sent,
        "late": counts["late"] / sent,
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
            with Client(server.url) as fleet:
                capacities.append(capacity(fleet, pictures, options.seconds / 2))
                runs.append(goodput(fleet, pictures, 3 * capacities[-1], options.seconds))
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
