"""Another model under load: how much longer the slowest answers take while models change.

    python -m benchmarks.switching [--rounds 20] [--seconds 2] [--json]

A sender keeps a steady rate of half of what the worker can; each of many short rounds has as many
seconds without a change as seconds in which one change of model follows the other, and as many in
which the same worker is as often asked what it reads with: where all share two cores, the commands
alone delay captchas. All latencies of a kind are taken together: a single stall of the machine
would decide a round's 99th percentile.
"""

import argparse
import json
import os
import shutil
import tempfile
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from statistics import median, quantiles
from threading import Thread
from time import monotonic, sleep
from typing import Any

from benchmarks.endtoend import images
from benchmarks.overload import capacity
from benchmarks.support import report
from models import store
from producer import Client
from producer.client import Pending
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from producer.monitoring.remote import LOOK_S, Remote, use_model
from tilefleet.settings import Settings

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


@cache
def _remote(url: str) -> Remote:
    """One for all rounds: making it costs as much as many changes, and is none of theirs."""
    return Remote(Settings(broker_url=url))


def change(url: str, seconds: float) -> int:
    """Change the model again and again for so long, as ``tilefleet models use``; how often."""
    remote = _remote(url)
    ends, changes = monotonic() + seconds, 0
    while monotonic() < ends:
        use_model(remote, ("second", "builtin")[changes % 2], timeout=30, say=_check)
        changes += 1
        sleep(_PAUSE_S)
    return changes


def ask(url: str, seconds: float) -> int:
    """As many commands, and as often, as `change` needs, that change nothing."""
    remote = _remote(url)
    ends, rounds = monotonic() + seconds, 0
    while monotonic() < ends:
        workers = remote.workers()
        remote.ask("model", workers)
        sleep(LOOK_S)
        remote.ask("model", workers)
        rounds += 1
        sleep(_PAUSE_S)
    return rounds


def _check(node: str, progress: dict[str, Any]) -> None:
    assert progress["state"] == "done", (node, progress)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    pictures = [path.read_bytes() for path in images()]
    changes = 0
    before: list[float] = []
    asked: list[float] = []
    during: list[float] = []
    with tempfile.TemporaryDirectory() as folder, EmbeddedServer() as server:
        second_model(Path(folder))
        environ = {"TILEFLEET_STORE": folder}
        with (
            WorkerProcess(server.url, "-c", "1", environ=environ),
            Client(server.url) as fleet,
            # Who changes the model is no part of who sends.
            ProcessPoolExecutor(1, mp_context=get_context("spawn")) as other,
        ):
            rate = capacity(server.url, pictures, 5) / 2
            other.submit(change, server.url, 1).result()
            for _ in range(options.rounds):
                before += latencies(fleet, pictures, rate, options.seconds)
                asking = other.submit(ask, server.url, options.seconds)
                asked += latencies(fleet, pictures, rate, options.seconds)
                asking.result()
                changing = other.submit(change, server.url, options.seconds)
                during += latencies(fleet, pictures, rate, options.seconds)
                changes += changing.result()
    ratio = _p99(during) / _p99(before)
    report.show(
        "Changes of model under load, real engine, one lane",
        ["what", "value"],
        [
            ["steady rate, captchas/s", rate],
            ["median before, ms", median(before)],
            ["median during changes, ms", median(during)],
            ["p99 before, ms", _p99(before)],
            ["p99 during commands that change nothing, ms", _p99(asked)],
            ["p99 during changes, ms", _p99(during)],
            ["p99 during changes, against before", ratio],
            ["p99 during changes, against the commands alone", _p99(during) / _p99(asked)],
            ["changes", changes],
        ],
        caveats=[
            f"{options.rounds} rounds of {options.seconds:g} s without anything, with commands, "
            f"and with changes, one {_PAUSE_S:g} s after the other",
            f"{os.cpu_count()} cores for server, sender and worker together; no answer failed",
            "both models have the same networks, so only the change makes a difference",
        ],
        as_json=options.json,
        extra={"ratio": ratio},
    )


def _p99(times: list[float]) -> float:
    return quantiles(times, n=100)[98]


if __name__ == "__main__":
    main()
