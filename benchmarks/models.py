"""Two models in one worker: what mixed load costs, against the same load for one model.

    python -m benchmarks.models [--rounds 20] [--seconds 2] [--json]

Two fleets of one worker each, of which only one is sent captchas at a time: the first worker holds
one model, the second two of the same networks, so only the mixing makes a difference. Two senders
keep their shares on the way, in the first fleet both for its one model, in the second each for
another one; rounds take turns, and the ratio is that of a round with the one before it.
"""

import argparse
import os
import tempfile
from itertools import count, takewhile
from pathlib import Path
from statistics import median
from threading import Barrier, Thread
from time import monotonic

from benchmarks.endtoend import images
from benchmarks.support import cores, report
from benchmarks.switching import second_model
from producer import Client
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess

_PICTURES = [path.read_bytes() for path in images()]
#: Captchas that each of both senders keeps on the way.
_WINDOW = 32


def load(
    url: str, worker: WorkerProcess, models: tuple[str, str], seconds: float
) -> tuple[float, float]:
    """Captchas a second of both senders, each for one of these models; and milliseconds of a core
    that the worker needs for each."""
    answered = [0, 0]
    start = Barrier(3)

    def send(place: int) -> None:
        with Client(url) as fleet:
            fleet.solve(_PICTURES[0], timeout=30, model=models[place])
            start.wait()
            ends = monotonic() + seconds
            # No two alike: each is read for itself.
            sources = (
                _PICTURES[number % len(_PICTURES)] + bytes((place,)) + number.to_bytes(4, "big")
                for number in takewhile(lambda _: monotonic() < ends, count())
            )
            outcomes = fleet.outcomes(
                sources, window=_WINDOW, ordered=False, timeout=30, model=models[place]
            )
            for _, outcome in outcomes:
                if isinstance(outcome, Exception):
                    raise outcome
                assert outcome.model.startswith(f"{models[place]}@"), outcome.model
                answered[place] += 1

    senders = [Thread(target=send, args=(place,)) for place in range(2)]
    for sender in senders:
        sender.start()
    assert worker.process is not None
    start.wait()
    began, used = monotonic(), cores.seconds(worker.process.pid)
    for sender in senders:
        sender.join()
    total, took = sum(answered), monotonic() - began
    return total / took, 1000 * (cores.seconds(worker.process.pid) - used) / total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    one: list[tuple[float, float]] = []
    mixed: list[tuple[float, float]] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedServer() as first,
        EmbeddedServer() as other,
    ):
        second_model(Path(folder))
        environ = {"TILEFLEET_STORE": folder}
        both = {**environ, "TILEFLEET_MODEL": "builtin,second"}
        with (
            WorkerProcess(first.url, environ=environ) as alone,
            WorkerProcess(other.url, environ=both) as together,
        ):
            for number in range(options.rounds + 1):
                before = load(first.url, alone, ("builtin", "builtin"), options.seconds)
                after = load(other.url, together, ("builtin", "second"), options.seconds)
                # The first round warms both.
                if number:
                    one.append(before)
                    mixed.append(after)
    rows, ratios = [], {}
    for place, what in enumerate(("captchas/s", "the worker's cores, ms a captcha")):
        pairs = [(before[place], after[place]) for before, after in zip(one, mixed, strict=True)]
        ratios[what] = [after / before for before, after in pairs]
        for title, each in (
            (f"one model, {what}", [before for before, _ in pairs]),
            (f"two models, {what}", [after for _, after in pairs]),
            (f"two against one, {what}", ratios[what]),
        ):
            rows.append([title, median(each), min(each), max(each)])
    report.show(
        "Two models in one worker",
        ["what", "median", "least", "most"],
        rows,
        caveats=[
            f"{options.rounds} rounds of {options.seconds:g} s of each, in turns",
            f"{os.cpu_count()} cores for server, senders and worker together; no answer failed",
            "both models have the same networks",
        ],
        as_json=options.json,
        extra={"ratio": median(ratios["captchas/s"])},
    )


if __name__ == "__main__":
    main()
