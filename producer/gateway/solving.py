"""The one way from any request to the fleet: the quota, then the queue, then the counting."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from time import monotonic
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request

from producer.gateway import context
from producer.gateway.connection.turns import turns
from producer.gateway.keys import Key
from producer.gateway.lines import Placed
from tilefleet import wire
from tilefleet.answer import Answer
from tilefleet.errors import AnswerTimeout, BadRequest, TilefleetError, UnknownModel

#: Captchas of a list that are read at once as they come.
_WINDOW: Final = 64
#: Outcomes of a list that are made ready in one turn of the event loop.
_SHOWN_A_TURN: Final = 16
#: Seconds that it takes to hand a picture's byte to the system.
_SENT_S: Final = 1e-9


async def solve(
    request: Request, picture: bytes, *, timeout: float, model: str | None = None
) -> Answer:
    """One captcha of whoever asks, within `timeout` seconds for all that it takes.

    `model`: None: the one that the key is bound to, if it is. Raises what AsyncClient raises, 429.
    """
    here, key = context.of(request), context.key(request)
    model = model or (None if key is None else key.model)
    left_s = await here.quota.take(key, 1, timeout=timeout)
    try:
        if isinstance(checked := here.checked(picture), BadRequest):
            raise checked
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
    here, key = context.of(request), context.key(request)
    left_s = await here.quota.take(key, len(pictures), timeout=timeout)
    outcomes: list[dict[str, Any]] = []
    checked = [here.checked(picture) for picture in pictures]
    decoded = [picture for picture in checked if isinstance(picture, bytes)]
    window = here.settings.max_list
    async with here.lists.one(request.state.who, left_s) as left_s:
        if not left_s:
            why = f"{context.MOST_LISTS} lists of one address at once"
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
                await context.turn(request)
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
    here, key = context.of(request), context.key(request)
    left_s = await here.quota.take(key, len(pictures), timeout=timeout)
    checked = [here.checked(picture) for picture in pictures]
    return _as_they_come(request, checked, left_s, model)


async def _as_they_come(
    request: Request,
    pictures: Sequence[bytes | BadRequest],
    timeout: float,
    model: str | None,
) -> AsyncGenerator[Placed, None]:
    here, key = context.of(request), context.key(request)
    ends, window = monotonic() + timeout, asyncio.Semaphore(_WINDOW)

    async def read(place: int, picture: bytes | BadRequest) -> Placed:
        if not isinstance(picture, bytes):
            return place, picture
        try:
            async with window:
                await context.turn(request)
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


def _count(here: context.Context, key: Key | None, outcome: Answer | Exception) -> None:
    good = isinstance(outcome, Answer)
    here.metrics.solved(key, *(() if good else (type(outcome).__name__,)))
