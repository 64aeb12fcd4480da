"""The queue without networks: messages a second of one worker, ours beside plain Celery's pools.

    python -m benchmarks.queue [--rounds 3] [--messages 3000] [--json]

Every contender reads the same 13.5 kB picture, stores its results, acknowledges late and sends
events, against the same server, in turns. A queue is filled first, then the worker is started; the
rate is that of the last nine tenths, so starting up does not count.
"""

import argparse
import os
import subprocess
import sys
import venv
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import monotonic, sleep

from celery import Celery
from redis import Redis

from benchmarks import report
from producer.local.server import EmbeddedServer
from tilefleet import wire

_BATCHES = Path("build/benchmarks/celery-batches")
_PACKAGES = ("celery<5.7", "celery-batches==0.11", "redis", "msgpack", "packaging", "setuptools<81")
#: Bytes of one message's picture, about those of a real captcha.
_PICTURE = 13_500


@dataclass(frozen=True, slots=True)
class Contender:
    """A worker's command line, and what is sent to it."""

    name: str
    command: list[str]
    task: str = "plain.solve"
    queue: str = "plain"
    #: Pictures in one message.
    together: int = 1
    environ: dict[str, str] = field(default_factory=dict)


def contenders() -> list[Contender]:
    def plain(*options: str) -> list[str]:
        return [sys.executable, "-m", "celery", "-A", "benchmarks.plain", "worker", *options]

    ours = [sys.executable, "-m", "celery", "-A", "worker", "worker"]
    null = {"TILEFLEET_ENGINE": "null"}
    stock = {**null, "TILEFLEET_TRANSPORT": "stock"}
    batches = [str(_BATCHES / "bin" / "python"), "-m", "celery", "-A", "benchmarks.plain"]
    return [
        Contender("Celery -P threads -c 8", plain("-P", "threads", "-c", "8")),
        Contender("Celery -P solo", plain("-P", "solo")),
        Contender("Celery -P prefork -c 2", plain("-P", "prefork", "-c", "2")),
        Contender(
            "celery-batches, 32 (its own Celery)",
            [*batches, "worker", "-P", "solo"],
            environ={"BATCHES": "1"},
        ),
        Contender("Tilefleet, stock transport", ours, wire.TASK_SOLVE, wire.LANE, environ=stock),
        Contender(
            "Tilefleet, stock transport, solve_many of 32",
            *(ours, wire.TASK_SOLVE_MANY, wire.LANE, 32),
            environ=stock,
        ),
        Contender("Tilefleet", ours, wire.TASK_SOLVE, wire.LANE, environ=null),
        Contender(
            "Tilefleet, solve_many of 32",
            *(ours, wire.TASK_SOLVE_MANY, wire.LANE, 32),
            environ=null,
        ),
    ]


def measure(contender: Contender, url: str, messages: int) -> tuple[float, float, float | None]:
    """Pictures a second of one run, how often the server had to read for each, and our own count.

    The last are exchanges and pipelines of results, as ``inspect stats`` tells of our transport.
    """
    count = messages if contender.together == 1 else max(400, messages // contender.together)
    _fill(contender, url, count)
    environ = {**os.environ, "CELERY_BROKER_URL": url, "CELERY_RESULT_BACKEND": url}
    with Redis.from_url(url) as redis:
        process = subprocess.Popen(
            contender.command,
            env=environ | contender.environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            begun, looks = None, 0
            deadline = monotonic() + 120
            while (left := redis.llen(contender.queue) + redis.hlen("unacked")) > 0:
                if monotonic() > deadline or process.poll() is not None:
                    raise SystemExit(f"{contender.name}: {left} of {count} left, giving up")
                if begun is None and left <= 0.9 * count:
                    begun, first = monotonic(), left
                    reads = redis.info("stats")["total_reads_processed"]
                    looks = 0
                looks += 2
                sleep(0.005)
            ended = monotonic()
            # Without this process's own looks.
            reads = redis.info("stats")["total_reads_processed"] - reads - looks
            counted = _counted(url) if contender.queue == wire.LANE else None
        finally:
            process.terminate()
            process.wait()
        stored = sum(1 for _ in redis.scan_iter("celery-task-meta-*", count=1000))
        if stored < count:
            raise SystemExit(f"{contender.name}: {stored} of {count} results were stored")
        redis.flushall()
    assert begun is not None
    pictures = first * contender.together
    return pictures / (ended - begun), reads / pictures, counted


def _counted(url: str) -> float | None:
    """Exchanges and pipelines a captcha; None on the stock transport, which counts nothing."""
    with Celery("asker", broker=url, set_as_current=False) as app:
        app.conf.update(accept_content=["json", "msgpack"], task_serializer="msgpack")
        (reply,) = app.control.broadcast("stats", reply=True, limit=1, timeout=10)
    (stats,) = reply.values()
    room = stats["engine_room"]
    exchanges = room["transport"]["exchanges"]
    return (exchanges + room["pipelines"]) / room["captchas"] if exchanges else None


def _fill(contender: Contender, url: str, count: int) -> None:
    app = Celery("sender", broker=url, set_as_current=False)
    app.conf.update(task_serializer="msgpack", task_ignore_result=True)
    with app.producer_pool.acquire() as producer:
        for number in range(count):
            # The same picture but for a number at its end: identical ones would share a reading.
            pictures = [
                os.urandom(8) + bytes(_PICTURE - 16) + number.to_bytes(8, "big")
                for _ in range(contender.together)
            ]
            app.send_task(
                contender.task,
                (pictures if contender.together > 1 else pictures[0],),
                queue=contender.queue,
                argsrepr="…",
                ignore_result=False,
                producer=producer,
            )
    app.close()


def _install_batches() -> None:
    if not (_BATCHES / "installed").exists():
        venv.create(_BATCHES, with_pip=True, clear=True)
        pip = [str(_BATCHES / "bin" / "python"), "-m", "pip", "install", "--quiet", "--quiet"]
        subprocess.run([*pip, *_PACKAGES], check=True)
        (_BATCHES / "installed").touch()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--messages", type=int, default=3000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    _install_batches()
    everyone = contenders()
    rates: dict[str, list[float]] = {contender.name: [] for contender in everyone}
    reads: dict[str, list[float]] = {contender.name: [] for contender in everyone}
    counts: dict[str, list[float]] = {contender.name: [] for contender in everyone}
    with EmbeddedServer() as server:
        for _ in range(options.rounds):
            for contender in everyone:
                rate, read, count = measure(contender, server.url, options.messages)
                rates[contender.name].append(rate)
                reads[contender.name].append(read)
                counts[contender.name] += [] if count is None else [count]
    best = max(median(rates[each.name]) for each in everyone if each.name.startswith("Celery "))
    report.show(
        "Queue: captchas a second, one worker process, no networks",
        [
            "worker",
            "median (least to most)",
            "ratio to the best plain pool",
            "reads of the server a captcha",
            "claims and writes a captcha",
        ],
        [
            [
                name,
                report.spread(values),
                f"{median(values) / best:.2f}",
                f"{median(reads[name]):.2f}",
                f"{median(counts[name]):.2f}" if counts[name] else "",
            ]
            for name, values in rates.items()
        ],
        caveats=[
            f"{options.rounds} rounds of {options.messages} pictures of {_PICTURE} bytes, in turns",
            "results stored, late acknowledgement, events on; kombu's own Redis transport, but for "
            "the last two",
            "reads: how often the server had to read from a client; a large pipeline takes several",
            "claims and writes: round trips for claiming, acknowledging, storing; by inspect stats",
            "server and worker share the machine's cores; compare the ratios",
        ],
        as_json=options.json,
        extra={"rates": rates},
    )


if __name__ == "__main__":
    main()
