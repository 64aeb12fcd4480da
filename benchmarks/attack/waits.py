"""How long others wait: in the calm, beside the attackers' own work, and beside an attack."""

import asyncio
from collections.abc import Sequence
from statistics import median
from time import sleep

from benchmarks.attack import others
from benchmarks.attack.line import Target
from benchmarks.attack.processes import Attacked, reader

HEAD = [
    "attack",
    "p99 in the calm, ms",
    "beside one on what only reads",
    "beside it",
    "over the calm",
    "over the one that is only read",
    "not answered",
]


def calm(attacked: Attacked, *, rate: float, seconds: float) -> others.Seen:
    """Nobody attacks."""
    target = Target(attacked.port, attacked.others, 0)
    return asyncio.run(others.ask(target, rate=rate, seconds=seconds))


def measure(
    attacked: Attacked, name: str, *, rate: float, seconds: float, rounds: int
) -> list[object]:
    """A row of the table."""
    without, read, beside = others.Seen(), others.Seen(), others.Seen()
    for _ in range(rounds):
        without.add(calm(attacked, rate=rate, seconds=seconds))
        with reader() as port, attacked.attack(name, port):
            read.add(calm(attacked, rate=rate, seconds=seconds))
        with attacked.attack(name):
            beside.add(calm(attacked, rate=rate, seconds=seconds))
        # What it has left is ended.
        sleep(1)
    failed = ", ".join(f"{n} {what}" for what, n in beside.failed.items())
    before, alone, after = without.p99_ms(), read.p99_ms(), beside.p99_ms()
    return [name, before, alone, after, after / before, after / alone, failed or "0"]


def caveats(rows: Sequence[Sequence[object]]) -> list[str]:
    """What all of them together come to."""
    lines = []
    for column, over in ((4, "the calm"), (5, "an attack on what only reads")):
        ratios = [float(str(row[column])) for row in rows]
        within = sum(ratio <= 2 for ratio in ratios)
        lines.append(
            f"over {over}: median {median(ratios):.2f}, greatest {max(ratios):.2f}, at most 2 in "
            f"{within} of {len(ratios)}"
        )
    return lines
