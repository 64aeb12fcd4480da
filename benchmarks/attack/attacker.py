"""The process that attacks: ``python -m benchmarks.attack.attacker PORT KEY (NAME | --count N)``.

With a name, that attack until it is stopped; it prints a line when it has begun. With a count, all
of them in turns, so many in all, what is slow for a moment only.
"""

import argparse
import asyncio
import os
from contextlib import suppress

from benchmarks.attack.kept import ATTACKS, HEAVY
from benchmarks.attack.line import ENDS, Target

#: Connections that attack at once, and the link that they would have from another machine: each
#: sends its part of that at most.
AT_ONCE, LINK_MBIT_S = 32, 1000
#: The same where they are only counted.
COUNTED_AT_ONCE = 128
_BYTES_A_SECOND = LINK_MBIT_S * 125_000 // AT_ONCE
_HEAVY_ONE_IN = 400


async def one_kind(name: str, target: Target, at_once: int) -> None:
    async def again() -> None:
        while True:
            with suppress(*ENDS):
                await ATTACKS[name](target)
            # What is refused at once would only be this process's own work.
            await asyncio.sleep(0.01)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(at_once):
            tasks.create_task(again())
        await asyncio.sleep(0.5)
        print("begun", flush=True)


async def all_kinds(target: Target, count: int) -> None:
    heavy, light = sorted(HEAVY), [name for name in ATTACKS if name not in HEAVY]
    numbers = iter(range(count))

    async def again() -> None:
        for number in numbers:
            turn, rest = divmod(number, _HEAVY_ONE_IN)
            name = light[number % len(light)] if rest else heavy[turn % len(heavy)]
            with suppress(*ENDS):
                await ATTACKS[name](target)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(COUNTED_AT_ONCE):
            tasks.create_task(again())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("port", type=int)
    parser.add_argument("key")
    parser.add_argument("name", nargs="?", choices=list(ATTACKS))
    parser.add_argument("--count", type=int)
    options = parser.parse_args()
    if options.name:
        # An attacker has a machine of its own; here it gets what everybody else leaves.
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        asyncio.run(
            one_kind(
                options.name, Target(options.port, options.key, 12.0, _BYTES_A_SECOND), AT_ONCE
            )
        )
    else:
        # As fast as it goes.
        asyncio.run(all_kinds(Target(options.port, options.key, 0.02), options.count))


if __name__ == "__main__":
    main()
