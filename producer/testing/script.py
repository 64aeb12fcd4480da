"""What a fake fleet answers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tilefleet import wire
from tilefleet.answer import Answer
from tilefleet.errors import TilefleetError
from tilefleet.report import Fleet
from tilefleet.testing.answers import AnswerFactory

from ..client.source import Source, read

Reply = Answer | TilefleetError
#: A captcha (its bytes are compared), or what says of bytes whether they are meant.
Which = Source | Callable[[bytes], bool]

#: How much may wait in each lane of a fleet that is overloaded, and does.
_BOUND = 1000


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
        #: Task ids of captchas that were cancelled or given up before they were answered.
        self.revoked: list[str] = []
        #: What a look at the fleet shows.
        self.fleet, self.waiting = Fleet(workers=1), 0
        self._rules = [_Rule(lambda _: True, AnswerFactory().of, 0.0)]

    def when(
        self, which: Which, reply: Reply | Callable[[bytes], Reply], *, delay_s: float = 0.0
    ) -> None:
        """Give this for these captchas, after that many seconds; the latest rule that fits counts.

        `reply`: an answer, an error, or what makes one of the image's bytes. FleetUnreachable and
        Overloaded are raised when the captcha is sent, other errors in its answer's place.
        `delay_s` may be ``inf``: no answer ever comes. Raises OSError for a file that cannot be
        read, BadMessage for what cannot be an image.
        """
        if callable(which):
            applies = which
        else:
            image = read(which)
            applies = lambda data: data == image  # noqa: E731
        self._rules.append(_Rule(applies, reply, delay_s))

    @contextmanager
    def overloaded(self, drain_s: float = 1.0) -> Iterator[None]:
        """In the block every captcha is refused with Overloaded, whose `drain_s` is this."""
        before = self.fleet, self.waiting
        bounds = dict.fromkeys((wire.LANE, wire.BULK_LANE), _BOUND)
        self.fleet, self.waiting = Fleet(1, _BOUND / drain_s, bounds), _BOUND
        try:
            yield
        finally:
            self.fleet, self.waiting = before

    def reply(self, image: bytes) -> tuple[Reply, float]:
        """What comes for an image, and after how many seconds."""
        rule = next(rule for rule in reversed(self._rules) if rule.applies(image))
        return rule.reply(image) if callable(rule.reply) else rule.reply, rule.delay_s
