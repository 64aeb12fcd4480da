"""`tilefleet solve FILE` through an idle running fleet: the whole process, from start to exit.

python -m benchmarks.terminal [--runs 20] [--json]
"""

import argparse
import os
import subprocess
import sys
from statistics import quantiles
from time import perf_counter, sleep

from benchmarks.endtoend import images
from benchmarks.support import report
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess

#: Seconds between two runs: the fleet is idle when the next one comes.
_PAUSE_S = 0.2


def solve(url: str, file: str) -> float:
    """Seconds of one process; raises CalledProcessError if it fails."""
    begun = perf_counter()
    subprocess.run(
        [sys.executable, "-m", "producer.cli", "solve", file],
        env={**os.environ, "CELERY_BROKER_URL": url, "CELERY_RESULT_BACKEND": url},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    files = [str(path) for path in images()]
    taken = []
    with EmbeddedServer() as server, WorkerProcess(server.url):
        solve(server.url, files[0])
        for number in range(options.runs):
            sleep(_PAUSE_S)
            taken.append(solve(server.url, files[number % len(files)]))
    report.show(
        "From the terminal, through an idle fleet",
        ["what", "median (least to most)"],
        [
            ["tilefleet solve FILE, whole process, s", report.spread(taken)],
            ["of which 9 in 10 take at most, s", quantiles(taken, n=10)[-1]],
        ],
        caveats=[f"{options.runs} runs one after the other, the built-in model, one worker"],
        as_json=options.json,
    )


if __name__ == "__main__":
    main()
