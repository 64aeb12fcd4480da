"""Several fleets behind one client, each with a server of its own; mostly it is one.

Which of them reads a captcha, `tilefleet.urls.shards` says. Each server is asked twice a second
whether it lives: one that does not answer is left out within two seconds, until it does again. What
becomes of captchas whose shard is down is a rule (`TILEFLEET_SHARD_DOWN`): by ``retry`` the next in
their order gets them, also those that somebody waits for already; by ``refuse`` they fail.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from tilefleet.errors import AnswerTimeout, FleetUnreachable, TilefleetError, UnknownModel
from tilefleet.urls import shards

from ..backlog import Backlog
from ..cancelling import stop
from ..connection import TROUBLE, why
from ..pending import Outcome
from . import Transport

if TYPE_CHECKING:
    from ..tracing import Tracing

logger = logging.getLogger(__name__)

T = TypeVar("T")
#: Solves images on one fleet, within so many seconds.
Solve = Callable[[Transport, list[bytes], float], Coroutine[Any, Any, list[Outcome]]]

#: Seconds between two questions, and for an answer; together less than two.
_ASK_S, _ANSWER_S = 0.5, 1.0
#: Seconds by which this program's own loop may be late for an answer to count as not given.
_LATE_S = 0.2


class Shard:
    """One fleet, and whether its server lives."""

    def __init__(self, line: Transport, name: str = "", probe: Any = None) -> None:
        """`probe`: a client of redis-py to ask with; none: it is the only one, and never down."""
        self.line = line
        self.name = name
        self._probe = probe
        self._down = asyncio.Event()
        self._watching = asyncio.create_task(self._watch()) if probe is not None else None

    @property
    def is_down(self) -> bool:
        return self._down.is_set()

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Its result; raises FleetUnreachable as soon as the server is down, and cancels it."""
        if self._watching is None:
            return await work
        task = asyncio.create_task(work)
        down = asyncio.create_task(self._down.wait())
        try:
            await asyncio.wait((task, down), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise FleetUnreachable(f"{self.line.name}: the server is down")
        finally:
            for each in (task, down):
                each.cancel()
            await asyncio.gather(task, down, return_exceptions=True)

    async def close(self) -> None:
        if self._watching is not None:
            await stop(self._watching)
            with suppress(*TROUBLE, RuntimeError):
                await self._probe.connection_pool.disconnect()
        await self.line.close()

    async def _watch(self) -> None:
        while True:
            trouble, began = self.line.trouble, self.line.loop.time()
            try:
                async with asyncio.timeout(_ANSWER_S):
                    await self._probe.ping()
            except TROUBLE as error:
                if self.line.loop.time() - began > _ANSWER_S + _LATE_S:
                    # It was this program that stood still.
                    continue
                trouble = error
            if trouble is not None and not self.is_down:
                logger.warning("%s is left out: %s", self.line.name, why(trouble))
                self._down.set()
            elif trouble is None and self.is_down:
                logger.warning("%s is back", self.line.name)
                self._down.clear()
            await asyncio.sleep(_ASK_S)


class Shards:
    """Belongs to the event loop that makes it."""

    def __init__(
        self, each: Sequence[Shard], *, retry: bool = True, tracing: "Tracing | None" = None
    ) -> None:
        """`retry`: what one cannot take is the next one's. `tracing`: None if nothing is traced."""
        self.loop = asyncio.get_running_loop()
        self._each = list(each)
        self._names = [shard.name for shard in each]
        self._retry = retry
        self._tracing = tracing
        #: Then nothing is sent to another one, either.
        self._closed = False

    async def with_one(self, image: bytes, call: Callable[[Transport], Awaitable[T]]) -> T:
        """What `call` gives with this captcha's fleet, or with the next one in its order."""
        if len(self._each) == 1:
            return await call(self._each[0].line)

        async def work(line: Transport) -> T:
            return await call(line)

        trouble: FleetUnreachable | None = None
        unknown: UnknownModel | None = None
        with self._traced():
            for shard in self._up(self._ranked(image)):
                try:
                    return await shard.run(work(shard.line))
                except UnknownModel as error:
                    unknown = error if unknown is None else unknown.together(error)
                except FleetUnreachable as error:
                    trouble = error
                    if not self._retry:
                        break
            raise unknown or self._none(trouble)

    async def each(self, images: list[bytes], solve: Solve, timeout: float) -> list[Outcome]:
        """The outcome of each image, on its fleet; where there is one, raises what that raises."""
        if len(self._each) == 1:
            return await solve(self._each[0].line, images, timeout)
        with self._traced() as tell:
            outcomes = await self._on_each(images, solve, timeout)
            tell(outcomes)
        return outcomes

    async def _on_each(self, images: list[bytes], solve: Solve, timeout: float) -> list[Outcome]:
        ends = monotonic() + timeout
        left = {number: self._ranked(image) for number, image in enumerate(images)}
        outcomes: dict[int, Outcome] = {}
        while left:
            groups: dict[Shard, list[int]] = {}
            for number, ranking in list(left.items()):
                shard = next(self._up(ranking), None)
                if shard is not None and monotonic() < ends:
                    groups.setdefault(shard, []).append(number)
                    continue
                del left[number]
                if shard is None:
                    last = outcomes.get(number)
                    outcomes[number] = last if isinstance(last, UnknownModel) else self._none(last)
                else:
                    why = outcomes.get(number, "nothing was sent")
                    outcomes[number] = AnswerTimeout(f"no answer within {timeout:g} s: {why}")
            found = await asyncio.gather(
                *(
                    self._on(shard, solve, [images[number] for number in numbers], ends)
                    for shard, numbers in groups.items()
                )
            )
            for (shard, numbers), some in zip(groups.items(), found, strict=True):
                for number, outcome in zip(numbers, some, strict=True):
                    before = outcomes.get(number)
                    if isinstance(outcome, UnknownModel) and isinstance(before, UnknownModel):
                        outcome = before.together(outcome)
                    outcomes[number] = outcome
                    if isinstance(outcome, FleetUnreachable | UnknownModel) and self._retry:
                        left[number].remove(shard)
                    else:
                        del left[number]
        return [outcomes[number] for number in range(len(images))]

    async def look(self, *lanes: str) -> Backlog:
        """What waits and who works, in all that answer; nobody if none does."""

        async def one(line: Transport) -> Backlog | None:
            await line.look(*lanes)
            # Looked at before the slowest one is done.
            return line.backlog if line.backlog.is_fresh(lanes[0]) else None

        looks = (one(shard.line) for shard in self._each if not shard.is_down)
        return Backlog.total([seen for seen in await asyncio.gather(*looks) if seen is not None])

    async def close(self) -> None:
        self._closed = True
        await asyncio.gather(*(shard.close() for shard in self._each))

    def _traced(self) -> AbstractContextManager[Callable[[Sequence[Outcome]], None]]:
        """What one call sends to several of them is one trace; gives what outcomes are told to."""
        return self._tracing.around() if self._tracing else nullcontext(lambda _: None)

    def _ranked(self, image: bytes) -> list[Shard]:
        ranking = [self._each[place] for place in shards.ranked(image, self._names)]
        return ranking if self._retry else ranking[:1]

    def _up(self, ranking: list[Shard]) -> Iterator[Shard]:
        return (shard for shard in ranking if not (shard.is_down or self._closed))

    def _none(self, last: Outcome | None) -> FleetUnreachable:
        """The error where nobody is left to send to; `last`: what the last one gave."""
        if not self._retry:
            return FleetUnreachable(f"{last or 'its shard is down'} (TILEFLEET_SHARD_DOWN=refuse)")
        names = ", ".join(shard.line.name for shard in self._each)
        why = f"; the last one: {last}" if last else ""
        return FleetUnreachable(f"none of the shards {names} takes it{why}")

    @staticmethod
    async def _on(shard: Shard, solve: Solve, images: list[bytes], ends: float) -> list[Outcome]:
        try:
            return await shard.run(solve(shard.line, images, max(0.001, ends - monotonic())))
        except TilefleetError as error:
            return [error] * len(images)
