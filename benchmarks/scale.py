"""Two workers against one: real engine, each on a core of its own, captchas queued beforehand.

python -m benchmarks.scale [--rounds 3] [--captchas 1500] [--json]
"""

import argparse
import os
import signal
import subprocess
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from time import monotonic, sleep

from redis import Redis

from benchmarks.endtoend import images
from benchmarks.support import report
from producer import Client
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tilefleet import wire


def rate(workers: int, captchas: int, *, pinned: bool = True) -> float:
    """Captchas a second until a full queue is empty.

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
            begun, first = None, captchas
            while left := redis.llen(wire.LANE) + redis.hlen("unacked"):
                if begun is None and left <= 0.9 * captchas:
                    begun, first = monotonic(), left
                sleep(0.01)
            assert begun is not None
            return first / (monotonic() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--captchas", type=int, default=1500)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    ones, twos = [], []
    for _ in range(options.rounds):
        ones.append(rate(1, options.captchas))
        twos.append(rate(2, options.captchas))
    ratios = [two / one for one, two in zip(ones, twos, strict=True)]
    report.show(
        "Two workers against one, real engine",
        ["what", "median (least to most)"],
        [
            ["one worker, captchas/s", report.spread(ones)],
            ["two workers, captchas/s", report.spread(twos)],
            ["ratio", report.spread(ratios)],
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
