"""A gateway in an event loop with a clock of its own: what is counted there is the same each time.

Whoever asks what time it is moves the clock on: so each step takes as long as it looks at it.
Nothing waits for anything; connections are objects of this process.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any, TypeVar

import uvicorn
from redis.asyncio import Redis
from uvicorn.server import ServerState

from producer.gateway.app import Gateway
from producer.gateway.connection import protocol, turns
from producer.gateway.context import Context
from producer.gateway.quota import Quota
from producer.testing import AsyncFakeFleet
from tilefleet.settings import Settings

T = TypeVar("T")

#: Seconds by which the clock goes on whenever it is looked at.
_LOOK_S = 2e-5


class Loop(asyncio.SelectorEventLoop):
    """Its clock, and its selector, which has nothing to wait for but that."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.select = self._selector.select
        self._selector.select = self._wait

    def time(self) -> float:
        return self.now

    def look(self) -> float:
        self.now += _LOOK_S
        return self.now

    def _wait(self, timeout: float | None) -> list:
        self.now += timeout or 0.0
        return self.select(0)


class Turns(turns.Turns):
    """Counts the steps of each address."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: Counter[str] = Counter()

    def spent(self, who: str, seconds: float) -> None:
        self.steps[who] += 1
        super().spent(who, seconds)


class Line(asyncio.Transport):
    """One connection of an address; what is sent waits in it until it is read."""

    def __init__(self, address: str, heard: Callable[[bytes], None]) -> None:
        super().__init__({"peername": (address, 1), "sockname": ("127.0.0.1", 80)})
        self._heard = heard
        self._is_read = True
        self._is_closed = False
        self.protocol: asyncio.Protocol = SimpleNamespace()
        self.pieces: list[bytes] = []

    def give(self) -> None:
        """A piece of what was sent, where it is read."""
        if self.pieces and self._is_read and not self._is_closed:
            self.protocol.data_received(self.pieces.pop(0))

    def pause_reading(self) -> None:
        self._is_read = False

    def resume_reading(self) -> None:
        self._is_read = True

    def is_closing(self) -> bool:
        return self._is_closed

    def write(self, data: bytes) -> None:
        self._heard(data)

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    close = abort


class Simulated:
    """A gateway without keys, whose fleet answers at once."""

    def __init__(self, monkeypatch) -> None:
        self.turns = Turns()
        for module in ("app", "context", "solving", "connection.protocol"):
            monkeypatch.setattr(f"producer.gateway.{module}.turns", self.turns)
        for clock in ("monotonic", "thread_time"):
            monkeypatch.setattr(
                f"producer.gateway.connection.turns.{clock}",
                lambda: asyncio.get_running_loop().look(),
            )
        settings = Settings()
        gateway = Gateway(settings)
        fleet, quota = AsyncFakeFleet(), Quota(Redis(), key_prefix="")
        context = Context(settings, fleet, quota, None, gateway._metrics, [], gateway.document)
        self._state = {"gateway": context, "key": None, "old": False, "trusted": False}
        self._state |= {"gone": False, "received": 0}
        self._config = uvicorn.Config(gateway, http=protocol.Protocol, ws="none", log_config=None)
        self._config.load()

    def connect(self, address: str, heard: Callable[[bytes], None]) -> Line:
        line = Line(address, heard)
        loop = asyncio.get_running_loop()
        line.protocol = protocol.Protocol(self._config, ServerState(), self._state, loop)
        line.protocol.connection_made(line)
        return line

    @staticmethod
    def run(test: Coroutine[Any, Any, T]) -> T:
        """What it gives, in an event loop of its own."""
        with asyncio.Runner(loop_factory=Loop) as runner:
            return runner.run(test)
