"""Both clients, with a fleet in memory in the place of Redis and workers."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from ..client import AsyncClient, Client, Retries
from ..client.transport.shards import Shard, Shards
from .script import Reply, Script, Which
from .transport import FakeTransport


class _Scripted:
    """What a test tells a fake fleet, and asks it."""

    script: Script

    @property
    def received(self) -> list[bytes]:
        """The images that were sent and accepted, in their order."""
        return self.script.received

    @property
    def named(self) -> list[str]:
        """The model that each of these named; "" for none."""
        return self.script.named

    @property
    def revoked(self) -> list[str]:
        """Task ids of captchas that were cancelled or given up before they were answered."""
        return self.script.revoked

    def when(
        self, which: Which, reply: Reply | Callable[[bytes], Reply], *, delay_s: float = 0.0
    ) -> None:
        """Give this for these captchas, after that many seconds: `Script.when`."""
        self.script.when(which, reply, delay_s=delay_s)

    def hold(self, *models: str) -> None:
        """Hold these models, by name: a captcha that names another one is refused."""
        self.script.hold(*models)

    def overloaded(self, drain_s: float = 1.0) -> AbstractContextManager[None]:
        """In the block every captcha is refused with Overloaded, whose `drain_s` is this."""
        return self.script.overloaded(drain_s)


class AsyncFakeFleet(_Scripted, AsyncClient):
    """An `AsyncClient`; without a rule, each image gets an answer of its own."""

    def __init__(
        self, script: Script | None = None, *, retries: Retries | int | None = None
    ) -> None:
        """Fleets with the same `script` are one fleet.

        `retries`: as a client's, after pauses that are real; None: what the script says is raised
        at once.
        """
        super().__init__(retries=retries or 0)
        self.script = script or Script()

    def _connect(self) -> Shards:
        return Shards([Shard(FakeTransport(self.script, self._retries))])


class FakeFleet(_Scripted, Client):
    """A `Client`; without a rule, each image gets an answer of its own."""

    def __init__(
        self, script: Script | None = None, *, retries: Retries | int | None = None
    ) -> None:
        """Fleets with the same `script` are one fleet.

        `retries`: as a client's, after pauses that are real; None: what the script says is raised
        at once.
        """
        self.script = script or Script()
        super().__init__(retries=retries or 0)

    def _connect(self) -> AsyncFakeFleet:
        return AsyncFakeFleet(self.script, retries=self._retries)
