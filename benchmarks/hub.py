"""Where a captcha's microseconds go on the hub thread, and what each promise costs.

    python -m benchmarks.hub [--rounds 3] [--messages 6000] [--networks] [--json]

One worker process with the engine that answers without looking, from a full queue of different
13.5 kB pictures, one in a message. Times are CPU times of the hub thread by its own clock
(`benchmarks.support.hub_timers`), so what else runs on the machine matters little; those of the
stages are from runs of their own, without what the timers themselves take.

With `--networks` it reads real captchas, on one core: the same stages beside networks, which take
the processor's caches each time, and what all that is not decoding and networks comes to.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from time import monotonic, sleep, time
from typing import Any

from redis import Redis

from benchmarks.endtoend import OTHER_CORE, WORKER_CORE, images
from benchmarks.support import report
from benchmarks.support.listener import listening
from producer.client import message
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tilefleet import wire

_PICTURE = 13_500
_WAYS = {"short way": "1", "Celery's way": "0"}
#: What is left out → environment of a worker without it.
_WITHOUT: Mapping[str, Mapping[str, str]] = {
    "events": {"TILEFLEET_EVENTS": "0"},
    "leases": {"HUB_WITHOUT": "leases"},
    "coalescing": {"HUB_WITHOUT": "coalescing"},
    "deadlines": {"HUB_WITHOUT": "deadlines"},
    "records for inspect and revoke": {"HUB_WITHOUT": "records"},
}


def measure(
    url: str,
    messages: int,
    environ: Mapping[str, str],
    *,
    expire: bool = True,
    networks: bool = False,
) -> Any:
    """What `benchmarks.support.hub_timers` counts of one run: microseconds a captcha."""
    with Redis.from_url(url) as redis, tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "figures.json"
        _fill(redis, messages, expire=expire, real=networks)
        counting = {"HUB_OUT": str(out), "HUB_COUNT": str(messages)}
        engine = {"HUB_CORE": str(WORKER_CORE)} if networks else {"TILEFLEET_ENGINE": "null"}
        environ = {**engine, **environ, **counting}
        options = ("-c", "1") if networks else ()
        with WorkerProcess(
            url, "--include", "benchmarks.support.hub_timers", *options, environ=environ
        ) as worker:
            deadline = monotonic() + 120
            while not out.exists():
                if monotonic() > deadline:
                    raise SystemExit(f"{redis.llen(wire.LANE)} left, giving up:\n{worker.log}")
                sleep(0.05)
        redis.flushall()
        return json.loads(out.read_text())


def _fill(redis: Redis, messages: int, *, expire: bool, real: bool = False) -> None:
    pictures = [path.read_bytes() for path in images()] if real else [bytes(_PICTURE - 16)]
    for _ in range(0, messages, 500):
        with redis.pipeline(transaction=False) as pipe:
            for number in range(500):
                # Behind a JPEG's end marker it is nothing.
                picture = pictures[number % len(pictures)] + os.urandom(16)
                made = message.solve(picture, lane=wire.LANE, now=time(), expires=3600)
                item = made.item if expire else _without_expiry(made.item)
                pipe.lpush(wire.LANE, item)
            pipe.execute()


def _without_expiry(item: bytes) -> bytes:
    start = item.index(b'"expires":"') + len(b'"expires":')
    end = item.index(b'"', start + 1) + 1
    return item[:start] + b"null" + item[end:]


Figures = dict[str, dict[str, list[float]]]


def _add(to: Figures, column: str, figures: Mapping[str, float]) -> None:
    for row, value in figures.items():
        to.setdefault(row, {}).setdefault(column, []).append(value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--messages", type=int, default=6000, help="in steps of 500")
    parser.add_argument("--networks", action="store_true", help="read real captchas, on one core")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.networks:
        _beside_networks(options.rounds, options.messages, as_json=options.json)
        return
    stages: Figures = {}
    threads: Figures = {}
    promises: Figures = {}
    with EmbeddedServer() as server:
        for _ in range(options.rounds):
            # In turns, so that a machine that changes its mind does so for all.
            for way, on in _WAYS.items():
                environ = {"TILEFLEET_SHORT_WAY": on}
                timed = measure(server.url, options.messages, {**environ, "HUB_TIMERS": "1"})
                _add(stages, way, timed["stages"])
                whole = measure(server.url, options.messages, environ)
                _add(threads, way, whole["threads"])
            _add_promises(promises, server.url, options.messages)
    ways = list(_WAYS)
    report.show(
        "Hub: microseconds of CPU a captcha",
        ["what", *(f"{way}, µs" for way in ways), "of Celery's way"],
        [*_rows(stages, "hub thread: "), *_rows(threads, "thread, untimed: ")],
        caveats=[
            f"{options.rounds} rounds of {options.messages} pictures of {_PICTURE} bytes, one in a "
            "message, from a full queue, events on; medians (least to most)",
            "hub thread: its own CPU time, by stage, each without what is in another, without "
            "what the timers take",
            "thread, untimed: from runs without these timers; MainThread is the hub's, all is the "
            "process",
        ],
        as_json=options.json,
    )
    base = promises["everything"]
    report.show(
        "Hub: the price of each promise, the short way",
        ["worker", "hub thread, µs", "process, µs", "process, saved, µs"],
        [
            [
                what,
                report.spread(each["MainThread"]),
                report.spread(each["all"]),
                f"{median(base['all']) - median(each['all']):.1f}",
            ]
            for what, each in promises.items()
        ],
        caveats=["the same runs; what is left out is replaced by nothing inside the benchmark"],
        as_json=options.json,
    )


def _beside_networks(rounds: int, messages: int, *, as_json: bool) -> None:
    """Print the same stages, and what takes the rest of a core, which is all of it."""
    os.sched_setaffinity(0, {OTHER_CORE})
    figures: Figures = {}
    with EmbeddedServer() as server:
        for _ in range(rounds):
            for column, networks in (("null engine", False), ("networks", True)):
                for on in ("1", ""):
                    environ = {"HUB_TIMERS": on}
                    found = measure(server.url, messages, environ, networks=networks)
                    if on:
                        stages = {f"hub thread: {k}": v for k, v in found["stages"].items()}
                        _add(figures, column, stages)
                        continue
                    threads = found["threads"]
                    _add(figures, column, {f"thread, untimed: {k}": v for k, v in threads.items()})
                    parts = found["parts"]
                    rest = threads["all"] - sum(parts.values())
                    _add(figures, column, {**parts, "all but decoding and networks": rest})
    none = [0.0]
    report.show(
        "Hub beside networks: microseconds of CPU a captcha",
        ["what", "null engine, µs", "networks, one core, µs"],
        [
            [
                what,
                report.spread(each.get("null engine", none)),
                report.spread(each.get("networks", none)),
            ]
            for what, each in figures.items()
            if max(map(median, each.values())) > 0.7
        ],
        caveats=[
            f"{rounds} rounds of {messages} captchas, one in a message, from a full queue, events "
            "on; medians (least to most)",
            f"networks: worker -c 1 on core {WORKER_CORE}, the server on core {OTHER_CORE}",
            "networks and decoding are timed on the lane's and the decoder's threads, which are "
            "not without what these timers take",
        ],
        as_json=as_json,
    )


def _add_promises(promises: Figures, url: str, messages: int) -> None:
    def add(what: str, environ: Mapping[str, str], *, expire: bool = True) -> None:
        threads = measure(url, messages, environ, expire=expire)["threads"]
        for name in ("MainThread", "all"):
            promises.setdefault(what, {}).setdefault(name, []).append(threads[name])

    add("everything", {})
    with listening(url):
        add("everything, and somebody listens to the events", {})
    for what, environ in _WITHOUT.items():
        add(f"without {what}", environ, expire=what != "deadlines")


def _rows(figures: Figures, kind: str) -> list[list[str]]:
    """One for each stage or thread, both ways beside each other."""
    rows = []
    for what, by_way in figures.items():
        short, celery_s = (by_way.get(way, [0.0]) for way in _WAYS)
        # Less is nothing that a captcha costs.
        if median(celery_s) > 0.7:
            share = f"{median(short) / median(celery_s):.2f}"
            rows.append([kind + what, report.spread(short), report.spread(celery_s), share])
    return rows


if __name__ == "__main__":
    main()
