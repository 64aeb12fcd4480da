"""Two workers against one: real engine, each on a core of its own, captchas queued beforehand.

    python -m benchmarks.scale [--rounds 3] [--captchas 1500] [--json]

The server has no core of its own: beside one worker it has the other core, beside two it takes from
both. What it takes bounds the ratio, whatever the workers do: two of them and the server need
2 w + 2 s for two captchas, where w and s are what a captcha costs one worker and the server of the
processor, so that no more than 2 w / (w + s) of one worker's rate can be had.
"""

import argparse
import os
import signal
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import monotonic, sleep

from redis import Redis

from benchmarks.endtoend import images
from benchmarks.support import cores, report
from producer import Client
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tilefleet import wire


@dataclass(frozen=True, slots=True)
class Run:
    """A queue that was read to its end."""

    #: Captchas a second.
    rate: float
    #: CPU of all workers and of the server, µs a captcha.
    worker_us: float
    server_us: float


def run(workers: int, captchas: int, *, pinned: bool = True) -> Run:
    """Read a full queue.

    `pinned`: with one lane and a core of its own for each worker; else as they come.
    """
    share = [path.read_bytes() for path in images()]
    with EmbeddedServer() as server, ExitStack() as stack:
        started: list[subprocess.Popen[bytes]] = []
        for core in range(workers):
            worker = WorkerProcess(
                server.url,
                *(("-c", "1") if pinned else ()),
                "-n",
                f"{core}@%h",
                environ={"TILEFLEET_MAX_WAITING": "100000"},
            )
            stack.enter_context(worker)
            assert worker.process is not None
            for task in Path(f"/proc/{worker.process.pid}/task").iterdir() if pinned else ():
                os.sched_setaffinity(int(task.name), {core})
            started.append(worker.process)
        # Stopped while the queue is filled, so that all begin with a full one.
        for process in started:
            process.send_signal(signal.SIGSTOP)
        with Client(server.url) as fleet, Redis.from_url(server.url) as redis:
            for number in range(captchas):
                fleet.submit(share[number % len(share)] + number.to_bytes(4, "big"), expires=600)
            for process in started:
                process.send_signal(signal.SIGCONT)
            pids = [process.pid for process in started]
            begun, first = None, captchas
            while left := redis.llen(wire.LANE) + redis.hlen("unacked"):
                if begun is None and left <= 0.9 * captchas:
                    begun, first = monotonic(), left
                    worker_s, server_s = sum(map(cores.seconds, pids)), cores.seconds(server.pid)
                sleep(0.01)
            assert begun is not None
            return Run(
                first / (monotonic() - begun),
                (sum(map(cores.seconds, pids)) - worker_s) * 1e6 / first,
                (cores.seconds(server.pid) - server_s) * 1e6 / first,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--captchas", type=int, default=1500)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    ones, twos = [], []
    for _ in range(options.rounds):
        ones.append(run(1, options.captchas))
        twos.append(run(2, options.captchas))
    ratios = [two.rate / one.rate for one, two in zip(ones, twos, strict=True)]
    bounds = [2 * one.worker_us / (one.worker_us + one.server_us) for one in ones]
    report.show(
        "Two workers against one, real engine",
        ["what", "median (least to most)"],
        [
            ["one worker, captchas/s", report.spread([one.rate for one in ones])],
            ["two workers, captchas/s", report.spread([two.rate for two in twos])],
            ["ratio", report.spread(ratios)],
            ["ratio, at most", report.spread(bounds)],
            *(
                [f"CPU of the {what}, {names} at work, µs a captcha", report.spread(values)]
                for names, runs in (("one worker", ones), ("two", twos))
                for what, values in (
                    ("workers", [each.worker_us for each in runs]),
                    ("server", [each.server_us for each in runs]),
                )
            ),
        ],
        caveats=[
            f"{options.rounds} rounds of {options.captchas} captchas, queued beforehand",
            "each worker on a core of its own; the server shares them",
        ],
        as_json=options.json,
        extra={"ratio": median(ratios)},
    )


if __name__ == "__main__":
    main()
