"""How a client sends, and waits for what it has sent.

Traced, if anything is; not above what may wait; again, as its `retries` say.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import repeat
from time import monotonic, thread_time
from typing import TYPE_CHECKING, Any, Final

from tilefleet import wire
from tilefleet.errors import BadMessage, FleetUnreachable, Overloaded, TilefleetError

from . import message
from .backlog import FRESH_S
from .message import NO_HEADERS, Message
from .pending import AsyncPending, Outcome, wait_for
from .retries import Retries
from .transport import Transport

if TYPE_CHECKING:
    from .tracing import Spans, Tracing

#: Seconds in which a captcha has to be on its queue, connecting included; longer where more
#: tries need longer.
_SENT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Call:
    """What one call sends together, on one lane: a message for each argument, all or none."""

    arguments: Sequence[Any]
    lane: str
    #: Whether each argument is a list of images, and not one.
    many: bool = False
    #: Those that are traced; of each argument, if anything is traced at all.
    spans: "Spans" = ()
    #: Whether a list's images may be beside its message.
    beside: bool = True


class Sender:
    """Of one client, for all its servers."""

    def __init__(self, retries: Retries, tracing: "Tracing | None") -> None:
        """`tracing`: None where nothing is traced."""
        self._retries = retries
        self._tracing = tracing
        self._within_s = max(_SENT_S, retries.total_s)

    async def send(self, line: Transport, call: Call, expires: float) -> list[AsyncPending]:
        """Put it on its queue, to be read within `expires` seconds.

        Raises FleetUnreachable, Overloaded, UnknownModel.
        """
        if self._tracing is None:
            return await self._send(line, call, expires)
        # Of all tries together.
        with self._tracing.calls(len(call.arguments), call.lane) as spans:
            return await self._send(line, replace(call, spans=spans), expires)

    async def solve_each(
        self, line: Transport, images: list[bytes], timeout: float, *, model: str = ""
    ) -> list[Outcome]:
        """The outcome of each, with a message for each; raises what `send` raises."""
        # Of all: connecting, sending, waiting.
        ends = monotonic() + timeout
        call = Call(images, wire.lane(model))
        pending = await self.send(line, call, timeout)
        try:
            await wait_for(pending, ends - monotonic())
            return [each.outcome(timeout) for each in pending]
        finally:
            # Of those that are ready already, nothing.
            for each in pending:
                each.cancel()

    async def solve_many(
        self, line: Transport, images: list[bytes], timeout: float, *, model: str = ""
    ) -> list[Outcome]:
        """The same with as few messages as there can be, when nobody waits for others."""
        lane = wire.lane(model, bulk=True)
        calls = [Call([part], lane, many=True) for part in message.parts(images)]
        each = await asyncio.gather(*(self._solve_list(line, call, timeout) for call in calls))
        return [outcome for outcomes in each for outcome in outcomes]

    async def _send(self, line: Transport, call: Call, expires: float) -> list[AsyncPending]:
        ends, pauses = monotonic() + expires, self._retries.pauses(Overloaded)
        while True:
            try:
                return await self._send_once(line, call, expires)
            except Overloaded as refused:
                pause = next(pauses, None)
                if pause is None:
                    raise
                wait_s = self._retries.after(refused, pause, least=FRESH_S)
                if monotonic() + wait_s > ends:
                    raise
            await asyncio.sleep(wait_s)
            # Nobody waits longer for having been refused at first.
            expires = ends - monotonic()

    async def _send_once(self, line: Transport, call: Call, expires: float) -> list[AsyncPending]:
        within = min(expires, self._within_s) if expires > 0 else self._within_s
        try:
            async with asyncio.timeout(within):
                await _check_room(line, call)
                ahead_s = line.clock.ahead_s
                messages = await self._write(line, call, expires)
                futures = await line.send(messages)
                if line.clock.was_ahead(ahead_s):
                    # By the clock as it is now they expire before anybody reads them.
                    for each in messages:
                        line.forget(each.id, revoke=True)
                    messages = await self._write(line, call, expires)
                    futures = await line.send(messages)
        except TimeoutError:
            raise FleetUnreachable(f"{line.name}: nothing accepted within {within:g} s") from None
        if self._tracing is not None:
            self._tracing.follow(call.spans, messages, futures)
        line.look_soon(call.lane)
        return [
            AsyncPending(sent, future, line, expires=expires)
            for sent, future in zip(messages, futures, strict=True)
        ]

    async def _write(self, line: Transport, call: Call, expires: float) -> list[Message]:
        ids = [line.new_id() for _ in call.arguments]
        try:
            if not call.many:
                return self._messages(line, call, expires, ids)
            # A list's messages are long, and there are several: one after the other.
            async with line.lists:
                begun = thread_time()
                messages = self._messages(line, call, expires, ids)
                await asyncio.sleep(thread_time() - begun)
            return messages
        except BaseException:
            line.give_back(ids)
            raise

    def _messages(
        self, line: Transport, call: Call, expires: float, ids: Sequence[str]
    ) -> list[Message]:
        now = line.clock.now()
        write: Callable[..., Message] = message.solve
        if call.many:
            beside = call.beside and line.stores_bodies and line.backlog.fetches
            write = partial(message.solve_many, beside=beside)
        each = zip(call.arguments, self._headers(call), ids, strict=False)
        return [
            write(
                argument,
                lane=call.lane,
                now=now,
                expires=expires,
                headers=headers,
                task_id=task_id,
            )
            for argument, headers, task_id in each
        ]

    def _headers(self, call: Call) -> Iterable[Mapping[str, str]]:
        if self._tracing is None:
            return repeat(NO_HEADERS)
        return self._tracing.headers(call.spans)

    async def _solve_list(self, line: Transport, call: Call, timeout: float) -> list[Outcome]:
        """Of a call with one list."""
        ends, left = monotonic() + timeout, timeout
        while True:
            beside = False
            try:
                (pending,) = await self.send(line, call, left)
                beside = pending.beside
                try:
                    await wait_for([pending], ends - monotonic())
                    return pending.outcomes(timeout)
                finally:
                    pending.cancel()
            except TilefleetError as error:
                left = ends - monotonic()
                if not (beside and isinstance(error, BadMessage)) or left <= 0:
                    (images,) = call.arguments
                    return [error] * len(images)
            # The server has thrown its images away, or a worker that came since knows nothing of
            # them.
            call = replace(call, beside=False)


async def _check_room(line: Transport, call: Call) -> None:
    """Raises Overloaded, UnknownModel; counts as sent what may be."""
    count = len(call.arguments)
    # Where sending does not tell the time, its clock may have been set since the last look. How a
    # list is sent depends on which workers there are.
    needs_news = not line.tells_time or call.many
    is_old = needs_news and not line.backlog.is_fresh(call.lane)
    if line.backlog.needs_look(call.lane, count) or line.clock.was_set or is_old:
        await line.look(call.lane)
    if line.backlog.lacks(call.lane):
        raise line.backlog.unknown(call.lane)
    if line.backlog.is_full(call.lane, count):
        raise line.backlog.overloaded(call.lane, count)
    line.backlog.sent(call.lane, count)
