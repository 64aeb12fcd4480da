"""``tilefleet bench``: load on a running fleet, and what became of it.

Closed loop: so many clients, each of which sends its next captcha when it has its answer; tells how
much the fleet can do. Open loop: captchas come by themselves, at random (Poisson) at a given rate;
tells how long they take. There a latency begins when the captcha was meant to be sent, so that a
generator that falls behind cannot make a slow fleet look fast.
"""

import asyncio
import random
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Final

from producer.client.asynchronous import AsyncClient
from tilefleet.answer import Answer
from tilefleet.errors import BadRequest, TilefleetError

#: A duplicate repeats one of the last few, as a sender does that tries again.
_RECENT: Final = 8


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send."""

    #: Different captchas; all of them are sent, again and again, with other bytes each time.
    pictures: Sequence[bytes]
    seconds: float = 10.0
    #: Closed loop: how many send. Not with `rate`.
    clients: int = 16
    #: Open loop: captchas a second; 0 is a closed loop.
    rate: float = 0.0
    #: Shares of what is sent, 0 to 1: repetitions of a recent one, and what is no captcha.
    duplicates: float = 0.0
    bad: float = 0.0
    #: Seconds to wait for each answer.
    timeout: float = 30.0
    seed: int = 0
    #: The name of the model that reads; None: each worker's default.
    model: str | None = None


@dataclass(slots=True)
class Tally:
    """What became of it."""

    sent: int = 0
    #: Seconds that each answer took.
    latencies: list[float] = field(default_factory=list)
    #: Captchas without an answer, by the class of their error.
    errors: Counter[str] = field(default_factory=Counter)
    #: Bad images that were found to be bad, by the class of their error.
    refused: Counter[str] = field(default_factory=Counter)
    #: Bad images that were answered all the same.
    accepted: int = 0
    #: Models that answered.
    models: Counter[str] = field(default_factory=Counter)
    began: float = 0.0
    #: When the last answer came.
    ended: float = 0.0

    @property
    def answered(self) -> int:
        return len(self.latencies)

    @property
    def seconds(self) -> float:
        """From the first sending to the last answer."""
        return max(self.ended - self.began, 1e-9)

    @property
    def throughput(self) -> float:
        """Answers a second."""
        return self.answered / self.seconds

    def quantile(self, share: float) -> float | None:
        """Seconds; None without an answer."""
        ordered = sorted(self.latencies)
        if not ordered:
            return None
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Deck:
    """Captchas to send, one after the other."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._random = random.Random(plan.seed)
        self._recent: deque[bytes] = deque(maxlen=_RECENT)
        self._number = 0
        # Bytes of a run of its own: a worker may keep answers.
        self._salt = random.SystemRandom().randbytes(8)

    def next(self) -> tuple[bytes, bool]:
        """Bytes, and whether they are a captcha."""
        drawn = self._random.random()
        if drawn < self._plan.bad:
            return self._bad(), False
        if drawn < self._plan.bad + self._plan.duplicates and self._recent:
            return self._random.choice(self._recent), True
        # Bytes behind a picture's end leave it as it is, and make its message differ from all.
        data = self._picture() + self._salt + self._number.to_bytes(4, "big")
        self._recent.append(data)
        return data, True

    def pause(self) -> float:
        """Seconds to the next arrival."""
        return self._random.expovariate(self._plan.rate)

    def _picture(self) -> bytes:
        self._number += 1
        return self._plan.pictures[self._number % len(self._plan.pictures)]

    def _bad(self) -> bytes:
        picture = self._picture()
        kinds = (b"<html>no captcha today</html>", picture[: len(picture) // 3], picture[::-1])
        return self._random.choice(kinds)


async def run(fleet: AsyncClient, plan: Plan, tally: Tally) -> None:
    """Send and wait, as planned; `tally` is filled meanwhile.

    Raises what keeps the first captcha from being answered, other than being no captcha.
    """
    await _first(fleet, plan)
    tally.began = tally.ended = perf_counter()
    deck = Deck(plan)
    if plan.rate:
        await _open(fleet, plan, deck, tally)
    else:
        await _closed(fleet, plan, deck, tally)


async def _first(fleet: AsyncClient, plan: Plan) -> None:
    """Not counted: it makes the connections, and tells whether there is a fleet."""
    try:
        await fleet.solve(plan.pictures[0], timeout=plan.timeout, model=plan.model)
    except BadRequest:
        pass


async def _closed(fleet: AsyncClient, plan: Plan, deck: Deck, tally: Tally) -> None:
    ends = tally.began + plan.seconds

    async def client() -> None:
        while perf_counter() < ends:
            before = tally.answered
            await _one(fleet, plan, deck, tally, perf_counter())
            if tally.answered == before:
                # Refused at once, it would do nothing but ask.
                await asyncio.sleep(0.001)

    await asyncio.gather(*(client() for _ in range(plan.clients)))


async def _open(fleet: AsyncClient, plan: Plan, deck: Deck, tally: Tally) -> None:
    ends = tally.began + plan.seconds
    due = tally.began + deck.pause()
    running: set[asyncio.Task[None]] = set()
    try:
        while due < ends:
            if (early := due - perf_counter()) > 0:
                await asyncio.sleep(early)
            else:
                # What is late goes out at once, but answers are heard in between.
                await asyncio.sleep(0)
            while due < min(ends, perf_counter()):
                task = asyncio.create_task(_one(fleet, plan, deck, tally, due))
                running.add(task)
                task.add_done_callback(running.discard)
                due += deck.pause()
        await asyncio.gather(*running)
    finally:
        for task in running:
            task.cancel()


async def _one(fleet: AsyncClient, plan: Plan, deck: Deck, tally: Tally, meant: float) -> None:
    data, good = deck.next()
    tally.sent += 1
    try:
        answer = await fleet.solve(data, timeout=plan.timeout, model=plan.model)
    except TilefleetError as error:
        kind = tally.refused if not good and isinstance(error, BadRequest) else tally.errors
        kind[type(error).__name__] += 1
        if isinstance(error, BadRequest):
            tally.ended = perf_counter()
        return
    tally.ended = perf_counter()
    if good:
        _note(tally, answer, tally.ended - meant)
    else:
        tally.accepted += 1


def _note(tally: Tally, answer: Answer, latency_s: float) -> None:
    tally.latencies.append(latency_s)
    tally.models[answer.model] += 1


def measure(
    plan: Plan, tally: Tally, *, broker_url: str | None = None, watch: Callable[[], Any] = lambda: 0
) -> None:
    """`run` in an event loop of its own, with a client of its own.

    `watch` is called about five times a second, on the loop's thread.
    """

    async def look() -> None:
        while True:
            await asyncio.sleep(0.2)
            watch()

    async def both() -> None:
        async with AsyncClient(broker_url) as fleet:
            looking = asyncio.create_task(look())
            try:
                await run(fleet, plan, tally)
            finally:
                looking.cancel()

    asyncio.run(both())
