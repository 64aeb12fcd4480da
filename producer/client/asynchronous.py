"""The asyncio client: as many captchas in flight as one likes, on two connections.

>>> from producer import AsyncClient
>>> async with AsyncClient() as fleet:
...     answer = await fleet.solve("captcha.jpg", timeout=5)
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Self, TypeVar

from tilefleet import wire
from tilefleet.answer import Answer
from tilefleet.errors import BadRequest, SettingError, TilefleetError
from tilefleet.settings import Settings
from tilefleet.urls import parse, without_password
from tilefleet.urls.shards import name

from .arguments import address, addresses, named, seconds
from .backlog import Backlog
from .connection import connect
from .pending import TIMEOUT_S, AsyncPending, Outcome
from .retries import Retries
from .sending import Call, Sender
from .source import Source, read, read_all
from .transport import Transport
from .transport.shards import Shard, Shards
from .window import Window, group_size

if TYPE_CHECKING:
    from .tracing import Tracing

S = TypeVar("S", bound=Source)


def _tracing(settings: Settings) -> "Tracing | None":
    """None: nothing is traced. Raises SettingError where that is asked for and not installed."""
    if not settings.traces:
        return None
    try:
        from .tracing import Tracing
    except ModuleNotFoundError as error:
        raise SettingError.needs("TILEFLEET_TRACES", error, "tracing") from None
    return Tracing(settings.traces)


class AsyncClient:
    """One program's way to the fleet, in the event loop that uses it first.

    When that loop is closed, the next one may use it; another one beside it gets a RuntimeError.
    """

    def __init__(
        self,
        broker_url: str | None = None,
        result_backend: str | None = None,
        *,
        retries: Retries | int | None = None,
        shards: Sequence[str] = (),
    ) -> None:
        """Connects at the first captcha, to the arguments, else to what the settings say.

        `retries`: how often sending is tried again, over a connection that breaks or when the fleet
        has too much to do; None: a connection is mended three times, a refusal raised at once.
        `shards`: URLs of several servers, each with workers and results of its own. Raises
        SettingError.
        """
        self._retries = Retries.of(retries)
        self._settings = Settings.from_environ()
        several = addresses(shards) or (() if broker_url else self._settings.shards)
        self._broker = address(broker_url) or self._settings.broker_url
        default = self._broker if broker_url else self._settings.result_backend
        self._results = address(result_backend) or default
        if several and self._results != self._broker:
            raise SettingError(
                f"results on {without_password(self._results)!r} are not usable with shards: each "
                "has its own on its own server; leave CELERY_RESULT_BACKEND away"
            )
        self._places = [(url, url) for url in several] or [(self._broker, self._results)]
        for url in {url for place in self._places for url in place}:
            try:
                parse(url)
            except ValueError as error:
                raise SettingError(
                    f"{without_password(url)!r} is not usable: give {error}"
                ) from None
        self._tracing = _tracing(self._settings)
        self._sender = Sender(self._retries, self._tracing)
        self._opened: Shards | None = None
        #: Those that were looked at last.
        self._lanes: Sequence[str] = wire.LANES

    async def solve(
        self, source: Source, timeout: float = TIMEOUT_S, *, model: str | None = None
    ) -> Answer:
        """Send one captcha and wait for its answer; cancelling this revokes it.

        Raises what `submit` and `AsyncPending.result` raise.
        """
        timeout = seconds(timeout, "timeout")
        solve = partial(self._sender.solve_each, model=named(model))
        (outcome,) = await self._wire.each([read(source)], solve, timeout)
        if isinstance(outcome, Answer):
            return outcome
        raise outcome

    async def submit(
        self,
        source: Source,
        *,
        expires: float = wire.EXPIRES_S,
        bulk: bool = False,
        model: str | None = None,
    ) -> AsyncPending:
        """Send one captcha; it is not read any more after `expires` seconds.

        `bulk` captchas are read when no others wait. `model`: the name of the one that reads; None:
        each worker's default. Raises OSError for a file that cannot be read, BadMessage for what
        cannot be an image, TooLarge, Overloaded, UnknownModel, FleetUnreachable.
        """
        expires = seconds(expires, "expires")
        image, lane = read(source), wire.lane(named(model), bulk=bulk)

        async def send(line: Transport) -> AsyncPending:
            (pending,) = await self._sender.send(line, Call([image], lane), expires)
            return pending

        return await self._wire.with_one(image, send)

    async def map(
        self,
        sources: Iterable[S],
        *,
        window: int = 64,
        timeout: float = TIMEOUT_S,
        bulk: bool = False,
        ordered: bool = True,
        model: str | None = None,
    ) -> AsyncIterator[tuple[S, Answer]]:
        """Send many, keeping up to `window` on the way; gives (source, answer).

        In the order of the sources, or as the answers come. `bulk`: when no others wait, many in
        one message. Raises at the first captcha that fails; `outcomes` goes on.
        """
        each = self.outcomes(
            sources, window=window, timeout=timeout, bulk=bulk, ordered=ordered, model=model
        )
        async for source, outcome in each:
            if isinstance(outcome, Exception):
                await each.aclose()  # type: ignore[attr-defined]
                raise outcome
            yield source, outcome

    async def outcomes(
        self,
        sources: Iterable[S],
        *,
        window: int = 64,
        timeout: float = TIMEOUT_S,
        bulk: bool = False,
        ordered: bool = True,
        model: str | None = None,
    ) -> AsyncIterator[tuple[S, Outcome]]:
        """`map` that gives a captcha's error in the place of its answer, and goes on."""
        timeout = seconds(timeout, "timeout")
        on_the_way: Window[S, asyncio.Task[list[Outcome]]] = Window(
            sources,
            window,
            together=group_size(window, bulk=bulk, ordered=ordered),
            ordered=ordered,
        )

        def send(group: list[S]) -> asyncio.Task[list[Outcome]]:
            answers = self.answer_all(read_all(group), timeout=timeout, bulk=bulk, model=model)
            return asyncio.create_task(answers)

        try:
            while on_the_way.fill(send):
                if tasks := on_the_way.awaited():
                    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                group, task = on_the_way.take()
                for pair in zip(group, await task, strict=True):
                    yield pair
        finally:
            left = on_the_way.left()
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    async def look(self) -> Backlog:
        """What waits and who works, now; no workers if nobody answers."""
        seen = await self._wire.look(*self._lanes)
        if not {*seen.lanes} <= {*self._lanes}:
            # Of models that were not known to be held.
            seen = await self._wire.look(*seen.lanes)
        self._lanes = seen.lanes
        return seen

    async def close(self) -> None:
        """Close the connections; what was submitted is still read and stored."""
        if (opened := self._still_open()) is not None:
            self._opened = None
            await opened.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def _wire(self) -> Shards:
        opened = self._still_open()
        if opened is None:
            opened = self._opened = self._connect()
        return opened

    def _still_open(self) -> Shards | None:
        """What is open in this event loop; raises RuntimeError where another one has it."""
        opened = self._opened
        if opened is None or opened.loop is asyncio.get_running_loop():
            return opened
        if not opened.loop.is_closed():
            raise RuntimeError(
                f"this client belongs to another event loop, {opened.loop!r}; make one in each"
            )
        # What it waited for went with its loop.
        self._opened = None
        return None

    def _connect(self) -> Shards:
        lines = [
            Transport(
                broker,
                results,
                settings=self._settings,
                name=without_password(broker),
                retries=self._retries,
            )
            for broker, results in self._places
        ]
        if len(lines) == 1:
            return Shards([Shard(lines[0])])
        return Shards(
            [
                Shard(line, name(url), connect(url, self._settings, socket_timeout=wire.TIMEOUT_S))
                for line, (url, _) in zip(lines, self._places, strict=True)
            ],
            retry=self._settings.shard_down == "retry",
            tracing=self._tracing,
        )

    async def answer_all(
        self,
        images: Sequence[bytes | BadRequest | OSError],
        *,
        timeout: float,
        bulk: bool,
        model: str | None = None,
    ) -> list[Outcome]:
        """The outcome of each image; an error in the place of one is its outcome.

        In few messages if they are `bulk`, else in one for each.
        """
        found = {number: image for number, image in enumerate(images) if isinstance(image, bytes)}
        answers: list[Outcome] = []
        if found:
            way = self._sender.solve_many if bulk else self._sender.solve_each
            try:
                solve = partial(way, model=named(model))
                answers = await self._wire.each([*found.values()], solve, timeout)
            except TilefleetError as error:
                answers = [error] * len(found)
        outcomes = dict(zip(found, answers, strict=True))
        return [
            outcomes[number] if isinstance(image, bytes) else image
            for number, image in enumerate(images)
        ]
