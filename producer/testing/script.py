"""What a fake fleet answers."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from operator import eq

from tilefleet import wire
from tilefleet.answer import Answer
from tilefleet.errors import BadArgument, TilefleetError
from tilefleet.report import Fleet
from tilefleet.testing.answers import MODEL, AnswerFactory

from ..client.arguments import named, number
from ..client.source import Source, read

Reply = Answer | TilefleetError
#: A captcha (its bytes are compared), or what says of bytes whether they are meant.
Which = Source | Callable[[bytes], bool]

#: How much may wait in each lane of a fleet that is overloaded, and does.
_BOUND, _UNBOUNDED = 1000, 1 << 30


@dataclass(frozen=True, slots=True)
class _Rule:
    applies: Callable[[bytes], bool]
    reply: Reply | Callable[[bytes], Reply]
    delay_s: float


class Script:
    """What a fake fleet does, and what it was asked to do; for the clients that share it."""

    def __init__(self) -> None:
        #: The images that were sent and accepted, in their order.
        self.received: list[bytes] = []
        #: The model that each of these named; none: "".
        self.named: list[str] = []
        #: Task ids of captchas that were cancelled or given up before they were answered.
        self.revoked: list[str] = []
        #: What a look at the fleet shows.
        self.fleet, self.waiting = Fleet(workers=1), 0
        #: Names of those that workers hold; None: any.
        self.models: tuple[str, ...] | None = None
        self._rules = [_Rule(lambda _: True, AnswerFactory().of, 0.0)]

    def when(
        self, which: Which, reply: Reply | Callable[[bytes], Reply], *, delay_s: float = 0.0
    ) -> None:
        """Give this for these captchas, after that many seconds; the latest rule that fits counts.

        `reply`: an answer, an error, or what makes one of the image's bytes. FleetUnreachable and
        Overloaded are raised when the captcha is sent, other errors in its answer's place.
        `delay_s` may be ``inf``: no answer ever comes. Raises OSError for a file that cannot be
        read, BadMessage for what cannot be an image, BadArgument for what cannot be a reply or a
        delay.
        """
        delay_s = number(delay_s, "delay_s", "seconds, as a number")
        applies = which if callable(which) else partial(eq, read(which))
        self._rules.append(_Rule(applies, reply if callable(reply) else _checked(reply), delay_s))

    @contextmanager
    def overloaded(self, drain_s: float = 1.0) -> Iterator[None]:
        """In the block every captcha is refused with Overloaded, whose `drain_s` is this."""
        if not 0 < number(drain_s, "drain_s") < math.inf:
            raise BadArgument(f"drain_s={drain_s}; give seconds, more than 0")
        before = self.fleet, self.waiting
        bounds = dict.fromkeys((wire.LANE, wire.BULK_LANE), _BOUND)
        self.fleet, self.waiting = Fleet(1, _BOUND / drain_s, bounds), _BOUND
        try:
            yield
        finally:
            self.fleet, self.waiting = before

    def hold(self, *models: str) -> None:
        """Workers hold these models, by name, and no others; at first, any that is named.

        Raises UnknownModel for what is no name.
        """
        self.models = tuple(map(named, models))

    def seen(self, lanes: Sequence[str]) -> Fleet:
        """What a look at these lanes shows of the workers."""
        models = self.models
        if models is None:
            models = tuple(filter(None, map(wire.model_of, lanes)))
        most = self.fleet.bounds.get(wire.LANE, _UNBOUNDED)
        own = {lane: most for lane in wire.lanes(models) if wire.model_of(lane)}
        return replace(self.fleet, bounds={**self.fleet.bounds, **own})

    def reply(self, image: bytes, model: str = "") -> tuple[Reply, float]:
        """What comes for an image, and after how many seconds; of whichever `model` it names."""
        rule = next(rule for rule in reversed(self._rules) if rule.applies(image))
        reply = _checked(rule.reply(image)) if callable(rule.reply) else rule.reply
        if isinstance(reply, Answer) and reply.model == MODEL and model:
            reply = replace(reply, model=MODEL.replace("fake", model))
        return reply, rule.delay_s


def _checked(reply: Reply) -> Reply:
    """Raises BadArgument for what no fleet gives."""
    if isinstance(reply, Answer | TilefleetError):
        return reply
    raise BadArgument(
        f"reply={reply!r:.80}; give an Answer (AnswerFactory().build()), an error of "
        "tilefleet.errors, or a function that makes one of the bytes"
    )
