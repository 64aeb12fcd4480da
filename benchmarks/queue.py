"""The queue without networks: captchas a second of one worker, ours, plain Celery's and others.

    python -m benchmarks.queue [--rounds 3] [--messages 3000] [--only WORD …] [--json]

Every contender reads the same 13.5 kB picture against the same server, in turns. A queue is filled
first, then the worker is started; the rate is that of the last nine tenths, so starting up does not
count. Somebody listens to the events, as Flower does (`benchmarks.support.listener`). What is not
Celery's is in `benchmarks.peers`, installed by pip into the user's cache.
"""

import argparse
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from statistics import median
from time import monotonic, sleep, time
from typing import Any

from celery import Celery
from redis import Redis

from benchmarks.peers.contender import Contender, NotInstallable, interpreter
from benchmarks.peers.others import others
from benchmarks.peers.work import PICTURE_BYTES, pictures
from benchmarks.support import report
from benchmarks.support.listener import listening
from producer.client import message
from producer.local.server import EmbeddedServer
from tilefleet import wire

_BATCHES = ("celery-batches==0.11", "celery<5.7", "redis", "msgpack", "packaging", "setuptools<81")
_NULL = {"TILEFLEET_ENGINE": "null"}
_STOCK = {**_NULL, "TILEFLEET_TRANSPORT": "stock"}
#: Seconds for which what fills a queue may be read.
_EXPIRES_S = 3600
#: Seconds in which a worker that was told to ends.
_STOPPED_S = 10.0


def contenders() -> list[Contender]:
    return [
        _plain("Celery -P threads -c 8", "-P", "threads", "-c", "8"),
        _plain("Celery -P solo", "-P", "solo"),
        _plain("Celery -P prefork -c 2", "-P", "prefork", "-c", "2"),
        _plain(
            "celery-batches, 32 (its own Celery)",
            *("-P", "solo"),
            packages=_BATCHES,
            environ={"BATCHES": "1"},
            gives_up="events of its tasks, retries; acknowledges what fails",
        ),
        *others(),
        ours("Tilefleet, stock transport", _STOCK),
        ours("Tilefleet, stock transport, `solve_many` of 32", _STOCK, together=32),
        ours("Tilefleet, without the short way", {**_NULL, "TILEFLEET_SHORT_WAY": "0"}),
        ours("Tilefleet", _NULL),
        ours("Tilefleet, lists of 32 by a Celery sender", _NULL, together=32),
        replace(ours("Tilefleet, `solve_many` of 32", _NULL, together=32), fill=_fill_as_client),
    ]


def _plain(name: str, *options: str, **more: Any) -> Contender:
    return Contender(
        name,
        ["-m", "celery", "-A", "benchmarks.support.plain", "worker", *options],
        _fill("plain.solve", "plain"),
        _unacked("plain"),
        **more,
    )


def ours(name: str, environ: Mapping[str, str], together: int = 1) -> Contender:
    """Tilefleet's own; `environ`: settings of its worker."""
    return Contender(
        name,
        ["-m", "celery", "-A", "worker", "worker"],
        _fill(wire.TASK_SOLVE if together == 1 else wire.TASK_SOLVE_MANY, wire.LANE, together),
        _unacked(wire.LANE),
        together=together,
        environ=environ,
    )


def _fill(task: str, queue: str, together: int = 1) -> Callable[[str, int], None]:
    def fill(url: str, count: int) -> None:
        app = Celery("sender", broker=url, set_as_current=False)
        app.conf.update(task_serializer="msgpack", task_ignore_result=True)
        with app.producer_pool.acquire() as producer:
            for _ in range(count):
                argument = list(pictures(together)) if together > 1 else next(pictures(1))
                app.send_task(
                    task,
                    (argument,),
                    queue=queue,
                    argsrepr="…",
                    ignore_result=False,
                    producer=producer,
                )
        app.close()

    return fill


def _fill_as_client(url: str, count: int) -> None:
    """As our client sends lists to workers that fetch: the images beside their message."""
    with Redis.from_url(url) as redis:
        for _ in range(count):
            images = list(pictures(32))
            made = message.solve_many(
                images, lane=wire.LANE, now=time(), expires=_EXPIRES_S, beside=True
            )
            redis.set(wire.body_key(made.id), made.body, ex=_EXPIRES_S)
            redis.lpush(wire.LANE, made.item)


def _unacked(queue: str) -> Callable[[Any, int], int]:
    return lambda redis, count: int(redis.llen(queue) + redis.hlen("unacked"))


def measure(contender: Contender, url: str, messages: int) -> tuple[float, float, float | None]:
    """Pictures a second of one run, how often the server had to read for each, and our own count.

    The last are exchanges and pipelines of results, as ``inspect stats`` tells of our transport.
    """
    count = messages if contender.together == 1 else max(1000, messages // contender.together)
    with Redis.from_url(url) as redis:
        redis.flushall()
        contender.fill(url, count)
        redis.config_resetstat()
        process = contender.start(url)
        try:
            begun, looks = None, 0
            deadline = monotonic() + 120
            while (left := contender.left(redis, count)) > 0:
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
            counted = _counted(url) if contender.name.startswith("Tilefleet") else None
        finally:
            _stop(process)
        if contender.results:
            stored = sum(1 for _ in redis.scan_iter(contender.results, count=1000))
            if stored < count:
                raise SystemExit(f"{contender.name}: {stored} of {count} results were stored")
    assert begun is not None
    done = first * contender.together
    return done / (ended - begun), reads / done, counted


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """With all that it has started; some of them wait for ever for what is theirs."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_STOPPED_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _counted(url: str) -> float | None:
    """Exchanges and pipelines a captcha; None on the stock transport, which counts nothing."""
    with Celery("asker", broker=url, set_as_current=False) as app:
        app.conf.update(accept_content=["json", "msgpack"], task_serializer="msgpack")
        (reply,) = app.control.broadcast("stats", reply=True, limit=1, timeout=10)
    (stats,) = reply.values()
    room = stats["engine_room"]
    exchanges = room["transport"]["exchanges"]
    return (exchanges + room["pipelines"]) / room["captchas"] if exchanges else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--messages", type=int, default=3000)
    parser.add_argument("--only", nargs="*", metavar="WORD", help="those with it in their names")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    everyone: list[Contender] = []
    absent: dict[str, str] = {}
    for contender in contenders():
        if options.only and not any(word in contender.name for word in options.only):
            continue
        try:
            interpreter(contender.packages)
            everyone.append(contender)
        except NotInstallable as why:
            absent[contender.name] = str(why)
    rates: dict[str, list[float]] = {contender.name: [] for contender in everyone}
    reads: dict[str, list[float]] = {contender.name: [] for contender in everyone}
    counts: dict[str, list[float]] = {contender.name: [] for contender in everyone}
    with EmbeddedServer() as server, listening(server.url):
        for _ in range(options.rounds):
            for contender in everyone:
                rate, read, count = measure(contender, server.url, options.messages)
                rates[contender.name].append(rate)
                reads[contender.name].append(read)
                counts[contender.name] += [] if count is None else [count]
    plain = [median(rates[name]) for name in rates if name.startswith("Celery ")]
    rows = [
        [
            contender.name,
            report.spread(rates[contender.name]),
            f"{median(rates[contender.name]) / max(plain):.2f}" if plain else "",
            f"{median(reads[contender.name]):.2f}",
            f"{median(counts[contender.name]):.2f}" if counts[contender.name] else "",
            contender.gives_up,
        ]
        for contender in everyone
    ]
    rows += [[name, f"not installed: {why}", "", "", "", ""] for name, why in absent.items()]
    report.show(
        "Queue: captchas a second, one worker process, no networks",
        [
            "worker",
            "median (least to most)",
            "ratio to the best plain pool",
            "reads of the server a captcha",
            "claims and writes a captcha",
            "gives up",
        ],
        rows,
        caveats=[
            f"{options.rounds} rounds of {options.messages} pictures of {PICTURE_BYTES} bytes, in "
            "turns",
            "unless the last column says otherwise: results stored, acknowledged afterwards, "
            "events on, and after kill -9 what it had comes back within a minute",
            "somebody takes all events, and does nothing with them",
            "kombu's own Redis transport, but for the last four and what is not Celery's",
            "Celery's sender fills the queue, but for what is not Celery's, and for the last: that "
            "comes as our client sends it",
            "reads: how often the server had to read from a client; a large pipeline takes several",
            "claims and writes: round trips for claiming, acknowledging, storing; by inspect stats",
            "server and worker share the machine's cores; compare the ratios",
        ],
        as_json=options.json,
        extra={"rates": rates, "absent": absent},
    )


if __name__ == "__main__":
    main()
