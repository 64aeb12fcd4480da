"""How often, and after which pauses, what did not get through is tried again.

Only sending is tried again, and always under the same task id; the server notes what it has
accepted (`producer.client.transport.outbox`), so that nothing is accepted twice.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from tilefleet.errors import BadArgument, FleetError, FleetUnreachable, Overloaded

from .arguments import number, whole

#: Tries: the server's note of what it has accepted outlives them all.
_MOST: Final = 1000


@dataclass(frozen=True, slots=True)
class Retries:
    """Up to `total` more tries, after pauses that grow and are never the same.

    ``Client(retries=5)`` is ``Client(retries=Retries(5))``. All of it happens within the timeout of
    the call: where a pause would not end in time, the error is raised instead.
    """

    #: Tries after the first one; 0: none; 1000 at most.
    total: int = 3
    #: Seconds of the first pause; each one is `growth` times as long as the one before it.
    pause_s: float = 0.1
    growth: float = 3.0
    #: Seconds of a pause at most, before jitter.
    longest_s: float = 5.0
    #: Each pause is taken times a random number from 1 - jitter to 1 + jitter.
    jitter: float = 0.5
    #: After which errors: FleetUnreachable, a connection that is lost or not to be had; Overloaded,
    #: whose pause is at least as long as what waits is estimated to take.
    on: tuple[type[FleetError], ...] = (FleetUnreachable, Overloaded)

    def __post_init__(self) -> None:
        """Raises BadArgument for what is no policy."""
        whole(self.total, "total", 0, "tries", most=_MOST)
        for name in ("pause_s", "growth", "longest_s", "jitter"):
            number(getattr(self, name), name)
        if not 0 < self.pause_s <= self.longest_s:
            raise BadArgument(
                f"pause_s={self.pause_s}, longest_s={self.longest_s}; give seconds above 0, the "
                "longest at least as long as the first"
            )
        if self.growth < 1:
            raise BadArgument(f"growth={self.growth}; give 1 or more")
        if not 0 <= self.jitter < 1:
            raise BadArgument(f"jitter={self.jitter}; give 0 to less than 1")
        if not isinstance(self.on, tuple) or not all(map(_is_tried_again, self.on)):
            raise BadArgument(
                f"on={self.on!r}; give a tuple, of FleetUnreachable and Overloaded: nothing else "
                "is tried again"
            )

    def pauses(self, kind: type[FleetError]) -> Iterator[float]:
        """Seconds before each further try after such an error, without jitter."""
        pause = self.pause_s
        for _ in range(self.total if issubclass(kind, self.on) else 0):
            yield min(pause, self.longest_s)
            pause = min(pause * self.growth, self.longest_s)

    @property
    def total_s(self) -> float:
        """Seconds of all pauses of a connection, at most."""
        return sum(self.pauses(FleetUnreachable)) * (1 + self.jitter)

    def jittered(self, pause: float) -> float:
        return pause * random.uniform(1 - self.jitter, 1 + self.jitter)

    def after(self, refused: Overloaded, pause: float, *, least: float) -> float:
        """Seconds to wait after a refusal: until there may be room, which takes `least` at least
        to see."""
        wanted = max(pause, least, refused.drain_s or 0.0)
        return self.jittered(max(least, min(wanted, self.longest_s)))

    @classmethod
    def of(cls, given: "Retries | int | None") -> "Retries":
        """What a client was given; None: a broken connection is mended, a refusal is raised."""
        if given is None:
            return cls(on=(FleetUnreachable,))
        return given if isinstance(given, Retries) else cls(given)


def _is_tried_again(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, FleetUnreachable | Overloaded)
