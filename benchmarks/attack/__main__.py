"""How others fare while somebody attacks, kind by kind; and what is left in memory afterwards.

    python -m benchmarks.attack [--seconds 5] [--rounds 2] [--only NAME …] [--json]
    python -m benchmarks.attack --loop [--seconds 5] [--only NAME …] [--json]
    python -m benchmarks.attack --memory [--requests 100000] [--json]

Captchas come at a steady rate from one address, over a gateway with keys, to a worker that answers
without looking. Beside them another address attacks, with a key of its own, one kind at a time:

- their 99th percentile then, over that of the calm just before, and over that beside the same
  attack on something that only reads, which is what the attackers' own work costs this machine;
- `--loop`: what the event loop of the gateway computes in that time, by its thread's own clock,
  which other work on the machine does not change;
- `--memory`: of gateway and worker after a tenth of so many hostile requests of all kinds, and
  after all of them.
"""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import sleep

from benchmarks.attack import loop, memory, waits
from benchmarks.attack.attacker import AT_ONCE, COUNTED_AT_ONCE, LINK_MBIT_S
from benchmarks.attack.kept import ATTACKS
from benchmarks.attack.processes import PLAIN, Attacked, gateway
from benchmarks.support import report
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess

#: Captchas a second of the others.
_RATE = 80.0
_ATTACKERS = (
    f"{AT_ONCE} connections that attack from another address, which share a link of "
    f"{LINK_MBIT_S:,} Mbit/s and have what the scheduler leaves (SCHED_IDLE)"
)


@contextmanager
def _fleet(engine: str, module: tuple[str, ...] = PLAIN) -> Iterator[tuple[Attacked, int]]:
    """A gateway, and its worker's process id."""
    with (
        TemporaryDirectory() as folder,
        EmbeddedServer() as server,
        WorkerProcess(server.url, environ={"TILEFLEET_ENGINE": engine}) as worker,
        gateway(server.url, Path(folder), module) as attacked,
    ):
        assert worker.process is not None
        sleep(2)
        waits.calm(attacked, rate=_RATE, seconds=3)
        yield attacked, worker.process.pid


def _beside(options: argparse.Namespace) -> None:
    rows = []
    with _fleet(options.engine) as (attacked, _):
        for name in options.only or ATTACKS:
            seen = waits.measure(
                attacked, name, rate=_RATE, seconds=options.seconds, rounds=options.rounds
            )
            rows.append(seen)
            print(*seen, sep=" | ", file=sys.stderr)
    report.show(
        f"Others beside {len(rows)} kinds of attack",
        waits.HEAD,
        rows,
        caveats=[
            f"{_RATE:g} captchas a second from one address, beside {_ATTACKERS}; "
            f"{options.rounds} rounds of {options.seconds:g} s of each, in turns, all on one "
            "machine",
            *waits.caveats(rows),
        ],
        as_json=options.json,
    )


def _loop(options: argparse.Namespace) -> None:
    rows = []
    with TemporaryDirectory() as folder:
        out = Path(folder) / "seen"
        module = ("benchmarks.attack.watched", str(out))
        with _fleet(options.engine, module) as (attacked, _):
            watched = loop.Loop(attacked, out)
            for name in options.only or ATTACKS:
                rows.append(watched.measure(name, rate=_RATE, seconds=options.seconds))
                print(*rows[-1], sep=" | ", file=sys.stderr)
    report.show(
        f"The gateway's event loop beside {len(rows)} kinds of attack",
        loop.HEAD,
        rows,
        caveats=[
            f"{_RATE:g} captchas a second from one address, beside {_ATTACKERS}; "
            f"{options.seconds:g} s of each",
            "ms of the processor that the loop's thread has had, on asyncio's own loop, which can "
            "be watched; a gateway has uvloop",
        ],
        as_json=options.json,
    )


def _memory(options: argparse.Namespace) -> None:
    with _fleet(options.engine) as (attacked, worker):
        pids = {"gateway": attacked.process.pid, "worker": worker}
        rows = memory.measure(attacked, pids, options.requests)
    report.show(
        f"Memory after {options.requests:,} hostile requests of all kinds",
        memory.head(options.requests),
        rows,
        caveats=[f"{COUNTED_AT_ONCE} connections at once, {len(ATTACKS)} kinds in turns"],
        as_json=options.json,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--loop", action="store_true", help="what the gateway's event loop computes"
    )
    parser.add_argument("--memory", action="store_true", help="what is left of hostile requests")
    parser.add_argument("--requests", type=int, default=100_000, help="of --memory")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=list(ATTACKS))
    parser.add_argument("--engine", default="null", help="of the worker")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    show = _memory if options.memory else _loop if options.loop else _beside
    show(options)


if __name__ == "__main__":
    main()
