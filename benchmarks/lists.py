"""What a captcha of a list costs: its sender, the server and the worker, microseconds of CPU.

    python -m benchmarks.lists [--captchas 16000] [--together 32] [--rounds 3] [--json]

A client sends lists and takes their answers, with the images beside the message and in it, as it
sends them while one of the workers is of an older version; the worker's engine answers without
looking. Processor time hardly depends on what else the machine does.
"""

import argparse
import asyncio
import os
from pathlib import Path
from statistics import median
from time import process_time
from unittest.mock import patch

from redis import Redis

from benchmarks.peers.work import PICTURE_BYTES, pictures
from benchmarks.support import report
from producer import AsyncClient
from producer.client import message, window
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess

#: Lists on their way at once.
_WINDOW = 32
_WAYS = {"beside the message": message._BESIDE_BYTES, "in it": 1 << 40}


def _used(pid: int) -> float:
    """Seconds of CPU of a process, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _send(url: str, images: list[bytes], together: int) -> None:
    async with AsyncClient(url) as fleet:
        async for _ in fleet.map(images, bulk=True, window=_WINDOW * together, timeout=120):
            pass


def measure(
    server: EmbeddedServer, worker: WorkerProcess, captchas: int, together: int
) -> list[float]:
    """Of the sender, the server and the worker; and how often the server read or wrote."""
    images = list(pictures(captchas))
    with Redis.from_url(server.url) as redis:
        redis.config_resetstat()
        assert worker.process is not None
        before = process_time(), _used(server.pid), _used(worker.process.pid)
        asyncio.run(_send(server.url, images, together))
        after = process_time(), _used(server.pid), _used(worker.process.pid)
        info = redis.info("stats")
    calls = info["total_reads_processed"] + info["total_writes_processed"]
    each = [(now - then) / captchas * 1e6 for now, then in zip(after, before, strict=True)]
    return [*each, calls / captchas]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--captchas", type=int, default=16_000)
    parser.add_argument("--together", type=int, default=32, help="captchas in a list")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    costs: dict[str, list[list[float]]] = {way: [] for way in _WAYS}
    with (
        EmbeddedServer() as server,
        WorkerProcess(server.url, environ={"TILEFLEET_ENGINE": "null"}) as worker,
        patch.object(window, "_TOGETHER", options.together),
    ):
        measure(server, worker, options.captchas // 10, options.together)
        for _ in range(options.rounds):
            for way, least in _WAYS.items():
                with patch.object(message, "_BESIDE_BYTES", least):
                    cost = measure(server, worker, options.captchas, options.together)
                costs[way].append(cost)
    report.show(
        "Lists: microseconds of CPU a captcha",
        ["its images are", "sender", "server", "worker", "reads and writes of the server"],
        [
            [way, *(report.spread(values) for values in zip(*each, strict=True))]
            for way, each in costs.items()
        ],
        caveats=[
            f"{options.rounds} rounds of {options.captchas} pictures of {PICTURE_BYTES} bytes, "
            f"{options.together} in a list, {_WINDOW} lists on their way; medians",
            f"all of them together: {_whole(costs)}",
            "nobody listens to the events",
        ],
        as_json=options.json,
    )


def _whole(costs: dict[str, list[list[float]]]) -> str:
    whole = {way: median(sum(cost[:3]) for cost in each) for way, each in costs.items()}
    return ", ".join(f"{way} {spent:.0f} µs" for way, spent in whole.items())


if __name__ == "__main__":
    main()
