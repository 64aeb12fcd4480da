"""What all requests share, and what each of them says of who asks."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from producer.client.asynchronous import AsyncClient
from producer.client.backlog import Backlog
from producer.gateway.connection.memory import memory
from producer.gateway.connection.turns import turns
from producer.gateway.idempotency import Replies
from producer.gateway.keys import Key
from producer.gateway.metrics import Metrics, oldest
from producer.gateway.quota import Quota
from producer.gateway.visitors.slots import Slots
from producer.gateway.visitors.together import Together
from tilefleet.errors import BadRequest, TooLarge
from tilefleet.settings import Settings

#: Lists of one address that are read at once.
MOST_LISTS = 2


@dataclass(slots=True)
class Context:
    """One gateway process, open."""

    settings: Settings
    fleet: AsyncClient
    quota: Quota
    replies: Replies
    metrics: Metrics
    #: A connection to the server, for what is no captcha.
    stores: Sequence[Any]
    #: The API's description.
    document: dict[str, Any]
    #: Bytes of bodies that are held at most, all requests together, and those of one address.
    most_held: int = 256 << 20
    most_held_by_one: int = 128 << 20
    #: Those that are held, by address, and all together.
    held: Counter[str] = field(default_factory=Counter)
    total: int = 0
    #: Where lists wait for their turn.
    lists: Slots = field(default_factory=lambda: Slots(MOST_LISTS))
    #: What waits and who works, now; and the metrics, without and with the names of keys. Anybody
    #: may ask for them.
    look: Together[Backlog] = field(init=False)
    shown: dict[bool, Together[bytes]] = field(init=False)

    def __post_init__(self) -> None:
        self.look = Together(self.fleet.look)
        self.shown = {names: Together(partial(self._show, names)) for names in (False, True)}

    async def _show(self, names: bool) -> bytes:
        seen = await self.look()
        ages = await oldest(self.stores, seen.lanes, key_prefix=self.settings.key_prefix)
        return self.metrics.show(seen, ages, names=names)

    def checked(self, picture: bytes | BadRequest) -> bytes | BadRequest:
        """The error in the place of what no worker would read, before it is sent to one."""
        length = len(picture) if isinstance(picture, bytes) else 0
        return self._too_large(length) or picture

    async def content(self, file: UploadFile) -> bytes | BadRequest:
        """What is in a file of a form; the error in the place of what no worker would read."""
        return self._too_large(file.size or 0) or await file.read()

    def _too_large(self, length: int) -> TooLarge | None:
        most = self.settings.max_bytes
        return TooLarge(f"{length} bytes; at most {most} are accepted") if length > most else None

    def hold(self, who: str, count: int) -> None:
        """So many bytes more of a body; raises 503 where it is too much."""
        self.total += count
        self.held[who] += count
        for held, most, whose in (
            (self.total, self.most_held, ""),
            (self.held[who], self.most_held_by_one, " of one address"),
        ):
            if held > most:
                raise HTTPException(
                    503,
                    f"{held} bytes of bodies{whose} at once; at most {most}",
                    {"Retry-After": "1", "Connection": "close"},
                )

    def release(self, who: str, count: int) -> None:
        self.total -= count
        memory.freed(count)
        self.held[who] -= count
        if not self.held[who]:
            del self.held[who]

    @property
    def most_body(self) -> int:
        """Of one captcha: as base64 in a form, percent-encoded where it must be, and more."""
        return 2 * self.settings.max_bytes + (64 << 10)

    @property
    def most_list_body(self) -> int:
        """Of a list; a longer one is sent in parts."""
        return min(self.most_body * self.settings.max_list, 64 << 20)


def of(request: Request) -> Context:
    context: Context = request.state.gateway
    return context


def key(request: Request) -> Key | None:
    """Of whoever asks; None where no keys are asked for."""
    found: Key | None = request.state.key
    return found


async def turn(request: Request) -> None:
    """Let others have the event loop, and return when it is this sender's turn."""
    await asyncio.sleep(0)
    await turns.wait(request.scope.get("state", {}).get("who", ""))


def model(request: Request) -> str | None:
    """The name of the one that reads for whoever asks: what the address says, or what the key is
    bound to; None: each worker's default. Raises 403 for another one than the key's."""
    own, named = key(request), request.query_params.get("model") or None
    bound = None if own is None else own.model
    if own is not None and bound and named not in (None, bound):
        raise HTTPException(403, f"the key of {own.name} is bound to the model {bound!r}")
    return bound or named


def models(request: Request, held: Sequence[str]) -> list[str]:
    """The names of those `held` by workers that whoever asks may name."""
    own = key(request)
    return [name for name in held if own is None or own.model in (None, name)]
