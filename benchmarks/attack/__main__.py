"""How others fare while somebody attacks, kind by kind; and what is left in memory afterwards.

    python -m benchmarks.attack [--seconds 5] [--rounds 2] [--only NAME …] [--count 100000] [--json]

Captchas come at a steady rate from one address, over a gateway with keys, to a worker that answers
without looking. Beside them another address attacks, with a key of its own, one kind at a time:
their 99th percentile then, over that of the calm just before. After that all kinds in turns: the
memory of gateway and worker after a tenth of `--count` hostile requests, and after all of them.
"""

import argparse
import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import sleep

from benchmarks import report
from benchmarks.attack import others
from benchmarks.attack.attacker import AT_ONCE
from benchmarks.attack.kept import ATTACKS
from benchmarks.attack.line import Target
from producer.gateway.keys import Key, changing
from producer.local.ports import free_port
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess

#: Captchas a second of the others.
_RATE = 80.0


@contextmanager
def gateway(url: str, folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], int, list[str]]]:
    """Its process and port, and two keys that it knows."""
    texts = []
    with changing(folder / "keys.json") as kept:
        for name in ("others", "attacker"):
            kept[name], text = Key.make(name)
            texts.append(text)
    port = free_port()
    command = [sys.executable, "-m", "producer.cli", "serve", "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--keys", str(folder / "keys.json")],
        env={**os.environ, "CELERY_BROKER_URL": url, "CELERY_RESULT_BACKEND": url},
        stderr=(folder / "gateway.log").open("wb"),
    )
    try:
        yield process, port, texts
    finally:
        process.terminate()
        process.wait()


def measure(
    name: str, port: int, keys: list[str], *, seconds: float, rounds: int
) -> tuple[others.Seen, others.Seen]:
    """(calm, beside the attack), in turns."""
    calm, attacked = others.Seen(), others.Seen()
    target = Target(port, keys[0], 0)
    for _ in range(rounds):
        calm.add(asyncio.run(others.ask(target, rate=_RATE, seconds=seconds)))
        with subprocess.Popen(_attacker(port, keys[1], name), stdout=subprocess.PIPE) as attacker:
            assert attacker.stdout is not None
            attacker.stdout.readline()
            attacked.add(asyncio.run(others.ask(target, rate=_RATE, seconds=seconds)))
            attacker.terminate()
        # What it has left is ended.
        sleep(1)
    return calm, attacked


def _attacker(port: int, key: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks.attack.attacker", str(port), key, *arguments]


def resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def remember(port: int, key: str, pids: list[int], count: int) -> list[list[float]]:
    """MiB of each process after a tenth of the hostile requests, and after all of them."""
    sizes = []
    for more in (count // 10, count - count // 10):
        subprocess.run(_attacker(port, key, "--count", str(more)), check=True)
        sleep(3)
        sizes.append([resident_mib(pid) for pid in pids])
    return sizes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=list(ATTACKS))
    parser.add_argument("--count", type=int, default=100_000, help="hostile requests; 0: none")
    parser.add_argument("--engine", default="null", help="of the worker")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows: list[list[object]] = []
    ratios = []
    with (
        TemporaryDirectory() as folder,
        EmbeddedServer() as server,
        WorkerProcess(server.url, environ={"TILEFLEET_ENGINE": options.engine}) as worker,
        gateway(server.url, Path(folder)) as (process, port, keys),
    ):
        assert worker.process is not None
        sleep(2)
        asyncio.run(others.ask(Target(port, keys[0], 0), rate=_RATE, seconds=3))
        for name in options.only or ATTACKS:
            calm, attacked = measure(
                name, port, keys, seconds=options.seconds, rounds=options.rounds
            )
            ratios.append(attacked.p99_ms() / calm.p99_ms())
            failed = ", ".join(f"{n} {what}" for what, n in attacked.failed.items())
            rows.append([name, calm.p99_ms(), attacked.p99_ms(), ratios[-1], failed or "0"])
            print(*rows[-1], sep=" | ", file=sys.stderr)
        if options.count:
            pids = [process.pid, worker.process.pid]
            before, after = remember(port, keys[1], pids, options.count)
            for what, first, last in zip(("gateway", "worker"), before, after, strict=True):
                rows.append([f"memory of the {what}, MiB", first, last, last / first, ""])
    report.show(
        f"Others beside {len(ratios)} kinds of attack",
        ["attack", "p99 before, ms", "p99 beside it, ms", "ratio", "not answered"],
        rows,
        caveats=[
            f"{_RATE:g} captchas a second from one address, {AT_ONCE} connections that attack from "
            f"another, at the lowest priority; {options.rounds} rounds of {options.seconds:g} s, "
            "calm and attacked in turns, all on one machine",
            f"memory: after {options.count // 10:,} and {options.count:,} hostile requests of all "
            "kinds",
            f"median ratio {median(ratios):.2f}, greatest {max(ratios):.2f}",
        ],
        as_json=options.json,
        extra={"worst": max(ratios)},
    )


if __name__ == "__main__":
    main()
