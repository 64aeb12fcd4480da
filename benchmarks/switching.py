"""Another model under load: how much longer the slowest answers take while models change.

    python -m benchmarks.switching [--rounds 3] [--seconds 10] [--json]

A sender keeps a steady rate of half of what the worker can; each round has as many seconds without
a change as seconds in which one change of model follows the other.
"""

import argparse
import json
import os
import shutil
import tempfile
from pathlib import Path
from statistics import median, quantiles
from threading import Thread
from time import monotonic, sleep

from benchmarks import report
from benchmarks.endtoend import images
from benchmarks.overload import capacity
from models import store
from models.settings import Settings
from producer import Client
from producer.client import Pending
from producer.embedded import EmbeddedServer
from producer.remote import Remote
from producer.workers import WorkerProcess

_NODE = "worker@here"
#: Pause between two changes, seconds: the slowest one in a hundred has to be one of a change.
_PAUSE_S = 0.2


def second_model(root: Path) -> None:
    """The built-in model under another name: the same work, another identity."""
    shutil.copytree(store.BUILTIN / "builtin", root / "second")
    manifest = root / "second" / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "name": "second"}))


def latencies(fleet: Client, pictures: list[bytes], rate: float, seconds: float) -> list[float]:
    """Milliseconds from sending to answer, of each captcha sent in this time."""
    waiting: list[tuple[float, Pending]] = []
    times: list[float] = []
    done = False

    def collect() -> None:
        position = 0
        while not done or position < len(waiting):
            if position == len(waiting):
                sleep(0.0005)
                continue
            sent, pending = waiting[position]
            position += 1
            pending.result(30)
            times.append((monotonic() - sent) * 1000)

    collector = Thread(target=collect)
    collector.start()
    started, number = monotonic(), 0
    while (now := monotonic()) < started + seconds:
        if number / rate > now - started:
            sleep(number / rate - (now - started))
        number += 1
        # No two alike: each is read for itself.
        data = pictures[number % len(pictures)] + int(monotonic() * 1e6).to_bytes(8, "big")
        sent = monotonic()
        waiting.append((sent, fleet.submit(data)))
    done = True
    collector.join()
    return times


def change(remote: Remote, seconds: float) -> int:
    """Change the model again and again for so long; how often."""
    ends, changes = monotonic() + seconds, 0
    while monotonic() < ends:
        remote.ask("use_model", [_NODE], name=("second", "builtin")[changes % 2])
        while (progress := remote.ask("model", [_NODE])[_NODE])["state"] != "done":
            assert progress["state"] != "failed", progress
            sleep(0.02)
        changes += 1
        sleep(_PAUSE_S)
    return changes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    pictures = [path.read_bytes() for path in images()]
    before, during, changes = [], [], 0
    with tempfile.TemporaryDirectory() as folder, EmbeddedServer() as server:
        second_model(Path(folder))
        environ = {"TILEFLEET_STORE": folder}
        remote = Remote(Settings(broker_url=server.url))
        with (
            WorkerProcess(server.url, "-c", "1", "-n", _NODE, environ=environ),
            Client(server.url) as fleet,
        ):
            rate = capacity(fleet, pictures, options.seconds / 2) / 2
            change(remote, 1)
            for _ in range(options.rounds):
                before.append(_p99(latencies(fleet, pictures, rate, options.seconds)))
                counted: list[int] = []
                changer = Thread(
                    target=lambda out=counted: out.append(change(remote, options.seconds))
                )
                changer.start()
                during.append(_p99(latencies(fleet, pictures, rate, options.seconds)))
                changer.join()
                changes += sum(counted)
    ratios = [after / first for first, after in zip(before, during, strict=True)]
    report.show(
        "Changes of model under load, real engine, one lane",
        ["what", "median (least to most)"],
        [
            ["steady rate, captchas/s", rate],
            ["p99 before, ms", report.spread(before)],
            ["p99 during changes, ms", report.spread(during)],
            ["ratio", report.spread(ratios)],
            ["changes", changes],
        ],
        caveats=[
            f"{options.rounds} rounds of {options.seconds:g} s without and with changes, one "
            f"{_PAUSE_S:g} s after the other",
            f"{os.cpu_count()} cores for server, sender and worker together; no answer failed",
            "both models have the same networks, so only the change makes a difference",
        ],
        as_json=options.json,
        extra={"ratio": median(ratios)},
    )


def _p99(times: list[float]) -> float:
    return quantiles(times, n=100)[98]


if __name__ == "__main__":
    main()
