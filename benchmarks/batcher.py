"""The batcher alone: what it adds to an idle item's way, and how much it lets through.

python -m benchmarks.batcher [--rounds 3] [--json]
"""

import argparse
from statistics import quantiles
from threading import Thread
from time import perf_counter, sleep

from benchmarks.support import report
from worker.engine_room.batcher import Batcher


def idle(items: int) -> list[float]:
    """Milliseconds from `put` until the taker has it, one item at a time."""
    batcher: Batcher[float] = Batcher()
    waits: list[float] = []

    def take() -> None:
        while batch := batcher.take(8):
            now = perf_counter()
            waits.extend((now - item) * 1000 for item in batch)

    taker = Thread(target=take)
    taker.start()
    for _ in range(items):
        sleep(0.002)
        batcher.put([perf_counter()])
    batcher.close()
    taker.join()
    return waits


def load(items: int, *, takers: int, cap: int) -> float:
    """Items a second through one putter and some takers."""
    batcher: Batcher[int] = Batcher()

    def take() -> None:
        while batcher.take(cap):
            pass

    threads = [Thread(target=take) for _ in range(takers)]
    for thread in threads:
        thread.start()
    started = perf_counter()
    for item in range(items):
        batcher.put((item,))
    batcher.close()
    for thread in threads:
        thread.join()
    return items / (perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    hundredths = [quantiles(idle(1000), n=100) for _ in range(options.rounds)]
    rates = [load(200_000, takers=2, cap=8) for _ in range(options.rounds)]
    report.show(
        "Batcher alone",
        ["what", "median (least to most)"],
        [
            ["added wait, idle, p50, ms", report.spread([each[49] for each in hundredths])],
            ["added wait, idle, p99, ms", report.spread([each[98] for each in hundredths])],
            ["items a second, 2 takers", report.spread(rates)],
        ],
        caveats=[
            "idle: an item every 2 ms, the taker asleep: the wait is a thread's waking up",
            "load: everything in one process, under one GIL",
        ],
        as_json=options.json,
    )


if __name__ == "__main__":
    main()
