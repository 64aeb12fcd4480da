"""Senders against a worker with the null engine: `Client.map`, `AsyncClient.map`, plain Celery.

python -m benchmarks.clients [--rounds 3] [--captchas 2000] [--json]

Plain Celery is `send_task` in a loop and then `get` of each, with Celery's own defaults, from one
process like all the others.
"""

import argparse
import asyncio
from collections.abc import Callable
from statistics import median
from time import perf_counter

from celery import Celery

from benchmarks.endtoend import images
from benchmarks.support import report
from producer import AsyncClient, Client
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tilefleet import wire

_WINDOW = 256


def plain(url: str, files: list[bytes]) -> None:
    with Celery("plain", broker=url, backend=url, set_as_current=False) as app:
        app.conf.update(task_serializer="msgpack", accept_content=["json", "msgpack"])
        sent = [app.send_task(wire.TASK_SOLVE, (data,), queue=wire.LANE) for data in files]
        for result in sent:
            result.get(timeout=60)


def client(url: str, files: list[bytes], *, bulk: bool = False) -> None:
    with Client(url) as fleet:
        count = sum(1 for _ in fleet.map(files, window=_WINDOW, timeout=60, bulk=bulk))
    assert count == len(files)


def async_client(url: str, files: list[bytes]) -> None:
    async def read() -> int:
        async with AsyncClient(url) as fleet:
            return len([pair async for pair in fleet.map(files, window=_WINDOW, timeout=60)])

    assert asyncio.run(read()) == len(files)


SENDERS: dict[str, Callable[[str, list[bytes]], None]] = {
    "Celery: send_task in a loop, then get": plain,
    "Client.map": client,
    "Client.map, bulk": lambda url, files: client(url, files, bulk=True),
    "AsyncClient.map": async_client,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--captchas", type=int, default=2000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    share = [path.read_bytes() for path in images()]
    files = [
        share[number % len(share)] + number.to_bytes(4, "big") for number in range(options.captchas)
    ]
    rates: dict[str, list[float]] = {name: [] for name in SENDERS}
    environ = {"TILEFLEET_ENGINE": "null", "TILEFLEET_MAX_WAITING": "100000"}
    with EmbeddedServer() as server, WorkerProcess(server.url, environ=environ):
        for send in SENDERS.values():
            send(server.url, files[:100])
        for _ in range(options.rounds):
            for name, send in SENDERS.items():
                begun = perf_counter()
                send(server.url, files)
                rates[name].append(len(files) / (perf_counter() - begun))
    baseline = median(next(iter(rates.values())))
    report.show(
        "Senders, null engine, one process each",
        ["sender", "captchas/s, median (least to most)", "ratio"],
        [
            [name, report.spread(found), f"{median(found) / baseline:.2f}"]
            for name, found in rates.items()
        ],
        caveats=[
            f"{options.rounds} rounds of {options.captchas} captchas, window {_WINDOW}",
            "sender, server and worker share the cores",
        ],
        as_json=options.json,
    )


if __name__ == "__main__":
    main()
