"""The whole way with the real engine: what the queue costs beside reading in one process.

    python -m benchmarks.endtoend [--rounds 3] [--captchas 600] [--json]

The worker has one core, server and senders the other. Its rate under load is set against the rate
of the same model on the same core in a loop (decoding included, no queue); the time of one captcha
on an idle fleet against decoding and one pass. What a captcha costs each of them is CPU time, so
that it tells who is the slower part: where the worker's is less than its core had, that waited.
"""

import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter, sleep

from benchmarks.support import cores, report
from producer import Client
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess

_REPOSITORY = Path(__file__).resolve().parent.parent
WORKER_CORE, OTHER_CORE = 0, 1

_OFFLINE = """
import sys
from time import perf_counter
from pathlib import Path
from models.engines.reader import Reader
from tilefleet.settings import Settings
reader = Reader(Settings.from_environ())
images = [Path(line).read_bytes() for line in sys.stdin.read().split()]
for image in images[:20]:
    reader.read(image)
count, started = 0, perf_counter()
while count < int(sys.argv[1]):
    reader.read(images[count % len(images)])
    count += 1
print(count / (perf_counter() - started))
"""


def images() -> list[Path]:
    data = Path(os.environ.get("TILEFLEET_DATA") or _REPOSITORY.parent / "shared" / "data")
    folder = data / "captchas"
    return sorted((folder if folder.is_dir() else _REPOSITORY / "samples").glob("*.jpg"))


def offline(count: int) -> float:
    """Captchas a second in a loop on the worker's core."""
    done = subprocess.run(
        ["taskset", "-c", str(WORKER_CORE), sys.executable, "-c", _OFFLINE, str(count)],
        input="\n".join(map(str, images())),
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def under_load(url: str, count: int, *, senders: int = 2) -> tuple[float, float]:
    """(captchas a second, mean pass size) through the queue."""
    share = [path.read_bytes() for path in images()]

    def send(sender: int) -> list[int]:
        # A few bytes behind the end marker: no picture is identical to another one.
        mine = (
            share[number % len(share)] + sender.to_bytes(4, "big") + number.to_bytes(4, "big")
            for number in range(count // senders)
        )
        with Client(url) as fleet:
            return [
                answer.timing.pass_size
                for _, answer in fleet.map(mine, window=64)
                if answer.timing is not None
            ]

    with ThreadPoolExecutor(senders) as pool:
        started = perf_counter()
        sizes = [size for sizes in pool.map(send, range(senders)) for size in sizes]
        return len(sizes) / (perf_counter() - started), sum(sizes) / len(sizes)


def idle(url: str, count: int) -> list[float]:
    """Milliseconds of each `Client.solve`, one at a time."""
    share = [path.read_bytes() for path in images()]
    times = []
    with Client(url) as fleet:
        for number in range(count + 10):
            started = perf_counter()
            fleet.solve(share[number % len(share)])
            times.append((perf_counter() - started) * 1000)
    return times[10:]


def idle_share(pid: int, seconds: float) -> float:
    """Percent of a core that a worker without work uses."""

    before = cores.seconds(pid)
    sleep(seconds)
    return 100 * (cores.seconds(pid) - before) / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--captchas", type=int, default=600)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    os.sched_setaffinity(0, {OTHER_CORE})
    alone, loaded, ratios, sizes, p50, p99 = [], [], [], [], [], []
    cost: dict[str, list[float]] = {}
    with EmbeddedServer() as server:
        worker = WorkerProcess(server.url, "-c", "1")
        with worker:
            assert worker.process is not None
            for task in Path(f"/proc/{worker.process.pid}/task").iterdir():
                os.sched_setaffinity(int(task.name), {WORKER_CORE})
            for _ in range(options.rounds):
                alone.append(offline(options.captchas))
                parts = {
                    "worker": worker.process.pid,
                    "server": server.pid,
                    "senders": os.getpid(),
                }
                before = {part: cores.seconds(pid) for part, pid in parts.items()}
                rate, size = under_load(server.url, options.captchas)
                for part, pid in parts.items():
                    used = cores.seconds(pid) - before[part]
                    cost.setdefault(part, []).append(used * 1e6 / options.captchas)
                loaded.append(rate)
                sizes.append(size)
                ratios.append(rate / alone[-1])
                hundredths = quantiles(idle(server.url, 200), n=100)
                p50.append(hundredths[49])
                p99.append(hundredths[98])
            share = idle_share(worker.process.pid, 20)
    one = 1000 / median(alone)
    report.show(
        "End to end, real engine, worker on one core",
        ["what", "median (least to most)"],
        [
            ["in a loop, captchas/s", report.spread(alone)],
            ["through the queue, captchas/s", report.spread(loaded)],
            ["ratio", report.spread(ratios)],
            ["mean pass size", report.spread(sizes)],
            *([f"CPU of the {part}, µs a captcha", report.spread(cost[part])] for part in cost),
            ["decoding and one pass, ms", one],
            ["one captcha, idle fleet, p50, ms", report.spread(p50)],
            ["one captcha, idle fleet, p99, ms", report.spread(p99)],
            ["worker without work, % of a core", share],
        ],
        caveats=[
            f"{options.rounds} rounds; worker -c 1 on core {WORKER_CORE}; server and senders on "
            f"core {OTHER_CORE}",
            "senders are two threads of one Python process: where they and the server are the "
            "slower part, the ratio says more of them than of the worker",
        ],
        as_json=options.json,
    )


if __name__ == "__main__":
    main()
