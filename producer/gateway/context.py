"""What all requests share, and the one way from any of them to the fleet."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
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
from producer.gateway.lines import Placed
from producer.gateway.metrics import Metrics, oldest
from producer.gateway.quota import Quota
from producer.gateway.visitors.slots import Slots
from producer.gateway.visitors.together import Together
from tilefleet import wire
from tilefleet.answer import Answer
from tilefleet.errors import AnswerTimeout, BadRequest, TilefleetError, TooLarge, UnknownModel
from tilefleet.settings import Settings

#: Lists of one address that are read at once, and captchas of one as they come.
MOST_LISTS, _WINDOW = 2, 64
#: Outcomes of a list that are made ready in one turn of the event loop.
_SHOWN_A_TURN = 16
#: Seconds that it takes to hand a picture's byte to the system.
_SENT_S = 1e-9


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

    def check_size(self, picture: bytes) -> None:
        """Raises TooLarge for what no worker would read, before it is sent to one."""
        if len(picture) > self.settings.max_bytes:
            raise self.too_large(len(picture))

    def too_large(self, length: int) -> TooLarge:
        return TooLarge(f"{length} bytes; at most {self.settings.max_bytes} are accepted")

    async def content(self, file: UploadFile) -> bytes | TooLarge:
        """What is in a file of a form, or the error in its place."""
        if (file.size or 0) > self.settings.max_bytes:
            return self.too_large(file.size or 0)
        return await file.read()

    def checked(self, picture: bytes | BadRequest) -> bytes | BadRequest:
        """The error in the place of what is too large."""
        if isinstance(picture, bytes) and len(picture) > self.settings.max_bytes:
            return self.too_large(len(picture))
        return picture

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


async def turn(request: Request) -> None:
    """Let others have the event loop, and return when it is this sender's turn."""
    await asyncio.sleep(0)
    await turns.wait(request.scope.get("state", {}).get("who", ""))


def model(request: Request) -> str | None:
    """The name of the one that reads for whoever asks: what the address says, or what the key is
    bound to; None: each worker's default. Raises 403 for another one than the key's."""
    key, named = _key(request), request.query_params.get("model") or None
    bound = None if key is None else key.model
    if key is not None and bound and named not in (None, bound):
        raise HTTPException(403, f"the key of {key.name} is bound to the model {bound!r}")
    return bound or named


def models(request: Request, held: Sequence[str]) -> list[str]:
    """The names of those `held` by workers that whoever asks may name."""
    key = _key(request)
    return [name for name in held if key is None or key.model in (None, name)]


async def solve(
    request: Request, picture: bytes, *, timeout: float, model: str | None = None
) -> Answer:
    """One captcha of whoever asks, within `timeout` seconds for all that it takes.

    `model`: None: the one that the key is bound to, if it is. Raises what AsyncClient raises, 429.
    """
    here, key = of(request), _key(request)
    model = model or (None if key is None else key.model)
    left_s = await here.quota.take(key, 1, timeout=timeout)
    try:
        here.check_size(picture)
        # What goes on behind this request, to have it sent, is its sender's as well.
        turns.spent(request.state.who, len(picture) * _SENT_S)
        answer = await here.fleet.solve(picture, timeout=left_s, model=model)
    except TilefleetError as error:
        here.metrics.solved(key, type(error).__name__)
        raise
    here.metrics.solved(key)
    # Answers come many at once; to write them takes time as well.
    await turns.wait(request.state.who)
    return answer


async def solve_many(
    request: Request,
    pictures: Sequence[bytes | BadRequest],
    *,
    timeout: float,
    model: str | None = None,
) -> list[dict[str, Any]]:
    """A list: answers, or error objects in their places; read when nobody waits.

    What could not be decoded comes as its error, and is given back as that. Raises 429, and
    UnknownModel for the whole list.
    """
    here, key = of(request), _key(request)
    left_s = await here.quota.take(key, len(pictures), timeout=timeout)
    outcomes: list[dict[str, Any]] = []
    checked = [here.checked(picture) for picture in pictures]
    decoded = [picture for picture in checked if isinstance(picture, bytes)]
    window = here.settings.max_list
    async with here.lists.one(request.state.who, left_s) as left_s:
        if not left_s:
            why = f"{MOST_LISTS} lists of one address at once"
            raise HTTPException(503, why, {"Retry-After": "1"})
        answers = here.fleet.outcomes(
            decoded, window=window, timeout=left_s, bulk=True, model=model
        )
        for picture in checked:
            outcome = (await anext(answers))[1] if isinstance(picture, bytes) else picture
            _count(here, key, outcome)
            if isinstance(outcome, UnknownModel):
                # It is so for all of them.
                await answers.aclose()  # type: ignore[attr-defined]
                raise outcome
            outcomes.append(
                outcome.encode() if isinstance(outcome, Answer) else wire.encode_error(outcome)
            )
            if len(outcomes) % _SHOWN_A_TURN == 0:
                await turn(request)
    return outcomes


async def solve_as_they_come(
    request: Request,
    pictures: Sequence[bytes | BadRequest],
    *,
    timeout: float,
    model: str | None = None,
) -> AsyncGenerator[Placed, None]:
    """The same, each with its place in the list as soon as there is an outcome.

    Raises 429 before there is any.
    """
    here, key = of(request), _key(request)
    left_s = await here.quota.take(key, len(pictures), timeout=timeout)
    checked = [here.checked(picture) for picture in pictures]
    return _as_they_come(request, checked, left_s, model)


async def _as_they_come(
    request: Request,
    pictures: Sequence[bytes | BadRequest],
    timeout: float,
    model: str | None,
) -> AsyncGenerator[Placed, None]:
    here, key = of(request), _key(request)
    ends, window = monotonic() + timeout, asyncio.Semaphore(_WINDOW)

    async def read(place: int, picture: bytes | BadRequest) -> Placed:
        if not isinstance(picture, bytes):
            return place, picture
        try:
            async with window:
                await turn(request)
                left_s = ends - monotonic()
                if left_s <= 0:
                    raise AnswerTimeout(f"no answer within {timeout:g} s: it was not its turn yet")
                pending = await here.fleet.submit(picture, expires=left_s, bulk=True, model=model)
                try:
                    return place, await pending.result(max(0.0, ends - monotonic()))
                finally:
                    pending.cancel()
        except TilefleetError as error:
            return place, error

    async with here.lists.one(request.state.who, timeout):
        tasks = [asyncio.create_task(read(*each)) for each in enumerate(pictures)]
        try:
            for task in asyncio.as_completed(tasks):
                place, outcome = await task
                _count(here, key, outcome)
                yield place, outcome
        finally:
            for each in tasks:
                each.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _count(here: Context, key: Key | None, outcome: Answer | Exception) -> None:
    good = isinstance(outcome, Answer)
    here.metrics.solved(key, *(() if good else (type(outcome).__name__,)))


def _key(request: Request) -> Key | None:
    key: Key | None = request.state.key
    return key
