"""What an attack does to the gateway's event loop."""

import asyncio
import json
import signal
from dataclasses import dataclass
from pathlib import Path
from time import sleep
from typing import Any

from benchmarks.attack import others
from benchmarks.attack.line import Target
from benchmarks.attack.processes import Attacked

HEAD = [
    "attack",
    "a captcha's time in the loop, p99, ms: calm",
    "beside it",
    "a turn of the loop, p99, ms",
    "longest turn, ms",
    "longest callback, ms",
    "longest collection of garbage, ms",
    "share of time that the loop is busy",
]


@dataclass(frozen=True, slots=True)
class Loop:
    """Of a gateway that runs in `watched`, which writes to `out`."""

    attacked: Attacked
    out: Path

    def measure(self, name: str, *, rate: float, seconds: float) -> list[object]:
        """A row of the table."""
        target = Target(self.attacked.port, self.attacked.others, 0)
        self._read()
        asyncio.run(others.ask(target, rate=rate, seconds=seconds))
        calm = self._read()
        with self.attacked.attack(name):
            self._read()
            asyncio.run(others.ask(target, rate=rate, seconds=seconds))
            beside = self._read()
        sleep(1)
        return [
            name,
            calm["captcha"],
            beside["captcha"],
            beside["turn"],
            beside["longest_turn"],
            beside["longest"],
            beside["collection"],
            beside["share"],
        ]

    def _read(self) -> dict[str, Any]:
        """What was seen since the last time."""
        before = self._lines()
        self.attacked.process.send_signal(signal.SIGUSR1)
        while len(lines := self._lines()) == len(before):
            sleep(0.01)
        seen: dict[str, Any] = json.loads(lines[-1])
        return seen

    def _lines(self) -> list[str]:
        return self.out.read_text().splitlines() if self.out.exists() else []
