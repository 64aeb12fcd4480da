"""1, 2 and 4 servers behind one client, and what a captcha costs a server: the arithmetic of many.

    python -m benchmarks.shards [--captchas 2000] [--rounds 3] [--servers 1,2,4] [--json]
                                [--minute 1000000] [--reads 450] [--core-hour 0.04]

Each server has one worker that answers without looking. What a captcha costs a server (processor
time, bytes in and out, memory while it waits, memory of its answer) is what the server itself
counts, so it hardly depends on what else the machine does; rates do.

--minute     captchas a minute that the second table is for
--reads      captchas a second that one core reads, from `benchmarks.endtoend` on the machine to be
--core-hour  what an hour of a core costs, in any currency; 0: no price
"""

import argparse
import math
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from time import monotonic, sleep

from redis import Redis

from benchmarks.support import cores, report
from producer import Client
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tilefleet import wire

#: Bytes of an image: the mean of the real ones.
_IMAGE = 13_500
#: How busy a server or a core may be on average, so that a bad minute is none.
_BUSY, _READER_BUSY = 0.5, 0.7
#: Seconds that captchas wait at most on average, for memory.
_WAIT_S = 5


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one captcha."""

    rate: float
    server_s: float
    worker_s: float
    bytes_in: float
    bytes_out: float
    waiting: float
    answer: float


def measure(servers: int, captchas: int) -> Cost:
    environ = {"TILEFLEET_ENGINE": "null", "TILEFLEET_MAX_WAITING": "100000"}
    images = [os.urandom(_IMAGE) for _ in range(captchas)]
    with ExitStack() as stack:
        started = [stack.enter_context(EmbeddedServer()) for _ in range(servers)]
        redis = [stack.enter_context(Redis.from_url(each.url)) for each in started]
        fleet = stack.enter_context(Client(shards=[each.url for each in started]))
        memory = _sum(redis, "used_memory")
        for image in images[: captchas // 4]:
            fleet.submit(image)
        waiting = (_sum(redis, "used_memory") - memory) / (captchas // 4)
        workers = [
            stack.enter_context(WorkerProcess(each.url, "-c", "1", environ=environ))
            for each in started
        ]
        while any(each.llen(wire.LANE) + each.hlen("unacked") for each in redis):
            sleep(0.05)
        answer = (_sum(redis, "used_memory") - memory) / (captchas // 4)
        pids = [each.process.pid for each in workers if each.process is not None]
        before = _counted(redis, pids)
        began = monotonic()
        for _ in fleet.map(images, window=256, ordered=False):
            pass
        seconds = monotonic() - began
        used = [now - was for now, was in zip(_counted(redis, pids), before, strict=True)]
        server_s, worker_s, bytes_in, bytes_out = (each / captchas for each in used)
        return Cost(
            captchas / seconds, server_s, worker_s, bytes_in, bytes_out, waiting, max(0.0, answer)
        )


def arithmetic(
    cost: Cost, *, minute: float, reads: float, core_hour: float
) -> list[tuple[str, str]]:
    """What so many captchas a minute need."""
    rate = minute / 60
    servers = math.ceil(rate * cost.server_s / _BUSY)
    hubs = math.ceil(rate * cost.worker_s / _BUSY)
    readers = math.ceil(rate / reads / _READER_BUSY)
    gbit = [rate * each * 8 / 1e9 for each in (cost.bytes_in, cost.bytes_out)]
    waiting = rate * _WAIT_S * cost.waiting / 1e9
    answers = rate * wire.RESULT_EXPIRES_S * cost.answer / 1e9
    rows = [
        ("captchas a second", f"{rate:,.0f}"),
        (f"servers, each {_BUSY:.0%} busy", f"{servers}"),
        ("network into the servers, Gbit/s, all and each", _all_and_each(gbit[0], servers)),
        ("network out of them, Gbit/s, all and each", _all_and_each(gbit[1], servers)),
        (f"memory of what waits, {_WAIT_S} s of it, GB", f"{waiting:.1f}"),
        (f"memory of answers, {wire.RESULT_EXPIRES_S} s of them, GB", f"{answers:.1f}"),
        (f"cores that carry (everything but reading), {_BUSY:.0%} busy", f"{hubs}"),
        (f"cores that read, {reads:,.0f} captchas/s each, {_READER_BUSY:.0%} busy", f"{readers}"),
    ]
    if core_hour:
        hour = (servers + hubs + readers) * core_hour
        rows.append(
            ("price, cores alone, an hour and a million captchas",
             f"{hour:,.2f}, {hour / (minute * 60) * 1e6:,.2f}")
        )  # fmt: skip
    return rows


def _all_and_each(whole: float, servers: int) -> str:
    return f"{whole:.2f}, {whole / servers:.2f}"


def _sum(redis: Sequence[Redis], name: str) -> float:
    return sum(float(each.info()[name]) for each in redis)


def _counted(redis: Sequence[Redis], pids: Sequence[int]) -> tuple[float, float, float, float]:
    """Processor seconds of servers and of workers, bytes in and out of the servers, so far."""
    infos = [each.info() for each in redis]
    server = sum(float(each["used_cpu_user"] + each["used_cpu_sys"]) for each in infos)
    worker = sum(map(cores.seconds, pids))
    into, out = (
        sum(float(each[f"total_net_{way}_bytes"]) for each in infos) for way in ("input", "output")
    )
    return server, worker, into, out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--captchas", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--servers", default="1,2,4")
    parser.add_argument("--minute", type=float, default=1e6)
    parser.add_argument("--reads", type=float, default=450.0)
    parser.add_argument("--core-hour", type=float, default=0.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    counts = [int(each) for each in options.servers.split(",")]
    found: dict[int, list[Cost]] = {count: [] for count in counts}
    for _ in range(options.rounds):
        for count in counts:
            found[count].append(measure(count, options.captchas))
    rows = []
    for count, costs in found.items():
        rows.append(
            [
                count,
                report.spread([each.rate for each in costs]),
                report.spread([each.server_s * 1e6 for each in costs]),
                report.spread([each.worker_s * 1e6 for each in costs]),
                f"{median([each.bytes_in for each in costs]):,.0f}",
                f"{median([each.bytes_out for each in costs]):,.0f}",
                f"{median([each.waiting for each in costs]):,.0f}",
                f"{median([each.answer for each in costs]):,.0f}",
            ]
        )
    report.show(
        "Several servers behind one client",
        [
            *("servers", "captchas/s", "of a server, µs a captcha", "of a worker, µs"),
            *("bytes in", "bytes out", "bytes waiting", "bytes of an answer"),
        ],
        rows,
        caveats=[
            f"{options.rounds} rounds of {options.captchas:,} captchas of {_IMAGE:,} random bytes; "
            "one client process sends to all, on the cores that servers and workers have",
            "an answer's bytes are with what the server holds of its own after the first captchas",
        ],
        as_json=options.json,
    )
    first = found[counts[0]]
    cost = Cost(
        *(median([getattr(each, name) for each in first]) for name in Cost.__dataclass_fields__)
    )
    table = arithmetic(
        cost, minute=options.minute, reads=options.reads, core_hour=options.core_hour
    )
    print()
    report.show(
        f"{options.minute:,.0f} captchas a minute",
        ["what", "it takes"],
        table,
        caveats=["from the costs with the least servers above; no image is there twice"],
        as_json=options.json,
    )


if __name__ == "__main__":
    main()
