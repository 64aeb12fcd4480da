"""One captcha on an idle fleet: where the milliseconds of `Client.solve` go.

    python -m benchmarks.idle [--rounds 3] [--captchas 200] [--json]

The worker has one core, server and client the other. The worker notes the times of its parts by the
monotonic clock, which is the client's too. Between two captchas nothing happens for a moment, so
that what the last one has left to do is no part of the next one.
"""

import argparse
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from time import monotonic, sleep

from benchmarks.endtoend import OTHER_CORE, WORKER_CORE, images, offline
from benchmarks.support import report
from producer import Client
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess

_WARM_UP = 20
_PAUSE_S = 0.005

#: Each part, from which moment to which.
_PARTS = {
    "sending, the server, the claim, Celery's checks": ("called", "claimed"),
    "to the thread that decodes": ("claimed", "decode begins"),
    "decoding": ("decode begins", "decode ends"),
    "to its pass": ("decode ends", "pass begins"),
    "pass": ("pass begins", "pass ends"),
    "to the thread that writes": ("pass ends", "store begins"),
    "writing, the server, to the caller": ("store begins", "returned"),
}

Moments = dict[str, float]


def measure(engine: str, rounds: int, count: int) -> list[list[Moments]]:
    """The moments of each captcha of each round, seconds of the monotonic clock."""
    pictures = [path.read_bytes() for path in images()]
    calls: list[Moments] = []
    with TemporaryDirectory() as folder, EmbeddedServer() as server:
        marks = Path(folder, "marks.json")
        environ = {
            "TILEFLEET_ENGINE": engine,
            "TILEFLEET_TRACES": "1",
            "BENCHMARK_MARKS": str(marks),
        }
        options = ("-c", "1", "--include", "benchmarks.support.marked")
        with WorkerProcess(server.url, *options, environ=environ) as worker:
            assert worker.process is not None
            for task in Path(f"/proc/{worker.process.pid}/task").iterdir():
                os.sched_setaffinity(int(task.name), {WORKER_CORE})
            with Client(server.url) as fleet:
                for number in range(_WARM_UP + rounds * count):
                    called = monotonic()
                    fleet.solve(pictures[number % len(pictures)])
                    calls.append({"called": called, "returned": monotonic()})
                    sleep(_PAUSE_S)
        noted = json.loads(marks.read_text())
    each = [call | there for call, there in zip(calls, noted, strict=True)][_WARM_UP:]
    return [each[begin : begin + count] for begin in range(0, len(each), count)]


Span = Callable[[Moments], float]


def between(begin: str, end: str) -> Span:
    return lambda each: (each[end] - each[begin]) * 1000


def above(each: Moments) -> float:
    """What is neither decoding nor the pass, milliseconds."""
    busy = (between(f"{part} begins", f"{part} ends")(each) for part in ("decode", "pass"))
    return between("called", "returned")(each) - sum(busy)


def shown(rounds: Sequence[Sequence[Moments]], span: Span) -> list[str]:
    """The medians of the rounds, and what a tenth of all captchas takes at most."""
    medians = [median(map(span, one)) for one in rounds]
    tenth = quantiles([span(each) for one in rounds for each in one], n=10)[0]
    return [report.spread(medians), f"{tenth:.3g}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--captchas", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    os.sched_setaffinity(0, {OTHER_CORE})
    real, null = (
        measure(engine, options.rounds, options.captchas) for engine in ("litert", "null")
    )
    spans = {name: between(*ends) for name, ends in _PARTS.items()}
    spans |= {"all of it": between("called", "returned"), "above decoding and pass": above}
    report.show(
        "One captcha on an idle fleet, ms",
        [
            *("part", "real engine, median (least to most)", "real engine, a tenth, at most"),
            *("null engine, median", "null engine, a tenth, at most"),
        ],
        [[name, *shown(real, span), *shown(null, span)] for name, span in spans.items()],
        caveats=[
            f"{options.rounds} rounds of {options.captchas} captchas, one after the other, "
            f"{_PAUSE_S * 1000:g} ms apart; the median of each round",
            "a tenth, at most: where other programs use the machine, nearer to what it takes alone",
            f"worker -c 1 on core {WORKER_CORE}; server and client on core {OTHER_CORE}",
            f"decoding and a pass in a loop that does nothing else: {1000 / offline(300):.2f} ms",
        ],
        as_json=options.json,
    )


if __name__ == "__main__":
    main()
