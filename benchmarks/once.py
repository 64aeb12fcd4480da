"""What it saves if a picture travels once, under its hash, and if an answer goes once it was heard.

    python -m benchmarks.once [--captchas 2000] [--rounds 3] [--json]

The first table says what a server and the two ends spend on captchas whose messages carry the
picture, and on captchas whose messages carry its hash, where the sender has put the picture under
that and the worker asks for it: the commands are sent as clients and workers would, without them.
The second table is of real ones, with and without `TILEFLEET_RESULT_ONCE`. Processor time, bytes
and memory are what the server counts, so they hardly depend on what else the machine does.
"""

import argparse
import os
from collections.abc import Callable, Sequence
from hashlib import sha256
from statistics import median
from time import process_time, sleep, time
from typing import Any, NamedTuple

import msgpack
import pybase64
from redis import Redis

from benchmarks.peers.work import PICTURE_BYTES, pictures
from benchmarks.support import report
from producer import Client
from producer.client import message
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tilefleet import wire
from worker.transport import scripts
from worker.transport.claim import Claim
from worker.transport.message import parse

#: Captchas that go out together, and that are claimed together.
_TOGETHER = 32
_EXPIRES_S = 300
#: Bytes of an answer, about those of a real one.
_RESULT = os.urandom(700).hex()
_UNACKED = ("unacked", "unacked_index")


class Cost(NamedTuple):
    """Of one captcha: µs and bytes."""

    server: float
    sender: float
    worker: float
    bytes_in: float
    bytes_out: float
    #: Of memory: while they wait, and when they are answered.
    waiting: float
    answered: float


def _counted(redis: Any) -> tuple[float, int, int]:
    """Seconds of the server's processor, bytes that came, bytes that went."""
    info = redis.info()
    used = info["used_cpu_user"] + info["used_cpu_sys"]
    return used, info["total_net_input_bytes"], info["total_net_output_bytes"]


def measure(redis: Any, images: Sequence[bytes], *, by_hash: bool) -> Cost:
    redis.flushall()
    empty, before = redis.info("memory")["used_memory"], _counted(redis)
    sender = _spent(lambda: _send(redis, images, by_hash=by_hash))
    waiting = redis.info("memory")["used_memory"] - empty
    worker = _spent(lambda: _work(redis, len(images), by_hash=by_hash))
    answered = redis.info("memory")["used_memory"] - empty
    used, came, went = (after - then for after, then in zip(_counted(redis), before, strict=True))
    count = len(images)
    return Cost(
        used / count * 1e6,
        sender / count * 1e6,
        worker / count * 1e6,
        came / count,
        went / count,
        waiting / count,
        answered / count,
    )


def _spent(call: Callable[[], None]) -> float:
    began = process_time()
    call()
    return process_time() - began


def _send(redis: Any, images: Sequence[bytes], *, by_hash: bool) -> None:
    known: set[bytes] = set()
    for begin in range(0, len(images), _TOGETHER):
        items: list[bytes] = []
        with redis.pipeline(transaction=False) as pipe:
            for image in images[begin : begin + _TOGETHER]:
                carried = image
                if by_hash:
                    carried = sha256(image).digest()
                    if carried not in known:
                        known.add(carried)
                        pipe.set(carried, image, ex=_EXPIRES_S)
                written = message.solve(carried, lane=wire.LANE, now=time(), expires=_EXPIRES_S)
                items.append(written.item)
            pipe.lpush(wire.LANE, *items)
            pipe.execute()


def _work(redis: Any, count: int, *, by_hash: bool) -> None:
    known: dict[bytes, bytes] = {}
    tags: list[str] = []
    done = 0
    while done < count or tags:
        claim = Claim.make(
            _UNACKED,
            [(wire.LANE, wire.LANE)],
            few=1,
            most=_TOGETHER,
            most_of_rest=0,
            tags=tags,
            prefix="a-worker:",
            before_first=done,
        )
        keys, arguments = claim.keys, claim.arguments
        reply = redis.execute_command("EVAL", scripts.EXCHANGE, len(keys), *keys, *arguments)
        tags = []
        ids, carried = [], []
        for claimed in claim.read(reply):
            payload = parse(claimed.text)
            (argument,), _, _ = msgpack.unpackb(pybase64.b64decode(payload["body"]))
            ids.append(payload["headers"]["id"])
            carried.append(argument)
            tags.append(claimed.tag)
        done += len(tags)
        wanted = [each for each in dict.fromkeys(carried) if each not in known]
        if by_hash and wanted:
            known |= dict(zip(wanted, redis.mget(wanted), strict=True))
        with redis.pipeline(transaction=False) as pipe:
            for task_id in ids:
                pipe.set(f"celery-task-meta-{task_id}", _RESULT, ex=_EXPIRES_S)
                pipe.publish(f"celery-task-meta-{task_id}", _RESULT)
            pipe.execute()


def answers(count: int, seconds: int) -> tuple[float, float]:
    """Bytes that the answer of a captcha takes when all are answered, and the server's µs."""
    environ = {"TILEFLEET_ENGINE": "null", "TILEFLEET_RESULT_ONCE": str(seconds)}
    with (
        EmbeddedServer() as server,
        Redis.from_url(server.url) as redis,
        WorkerProcess(server.url, environ=environ),
        Client(server.url) as fleet,
    ):
        for _ in fleet.map(pictures(count // 5)):
            pass
        sleep(seconds + 0.5)
        empty, before = redis.info("memory")["used_memory"], _counted(redis)[0]
        for _ in fleet.map(pictures(count)):
            pass
        used = _counted(redis)[0] - before
        # For as long as Redis takes to look for what has expired, too.
        sleep(seconds + 1.5)
        stored = redis.info("memory")["used_memory"] - empty
    return stored / count, used / count * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--captchas", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    different = list(pictures(options.captchas))
    alike = different[:1] * options.captchas
    costs: dict[tuple[str, bool], list[Cost]] = {}
    with EmbeddedServer() as server, Redis.from_url(server.url) as redis:
        for _ in range(options.rounds):
            for name, images in (("no two alike", different), ("all alike", alike)):
                for by_hash in (False, True):
                    cost = measure(redis, images, by_hash=by_hash)
                    costs.setdefault((name, by_hash), []).append(cost)
    report.show(
        "A captcha whose message carries its picture, or the hash of it",
        [
            *("captchas", "carries", "of the server, µs", "of the sender, µs", "of the worker, µs"),
            *("bytes in", "bytes out", "bytes waiting", "bytes once answered"),
        ],
        [
            [
                name,
                "hash" if by_hash else "picture",
                *(f"{median(values):,.0f}" for values in zip(*each, strict=True)),
            ]
            for (name, by_hash), each in costs.items()
        ],
        caveats=[
            f"{options.rounds} rounds of {options.captchas} pictures of {PICTURE_BYTES} bytes, "
            f"{_TOGETHER} sent and claimed at once; medians",
            "a picture under its hash stays until it expires: nobody knows who else may name it",
            "sender and worker: writing and reading messages and talking to the server, by "
            "redis-py, without Celery and without an engine",
        ],
        as_json=options.json,
    )
    print()
    kept = {
        seconds: [answers(options.captchas, seconds) for _ in range(options.rounds)]
        for seconds in (0, 1)
    }
    report.show(
        "Answers that their sender has heard",
        ["TILEFLEET_RESULT_ONCE", "bytes of an answer, later", "of the server, µs a captcha"],
        [
            [seconds, *(report.spread(values) for values in zip(*each, strict=True))]
            for seconds, each in kept.items()
        ],
        caveats=["real client and worker, null engine; memory a second and a half after that time"],
        as_json=options.json,
    )


if __name__ == "__main__":
    main()
