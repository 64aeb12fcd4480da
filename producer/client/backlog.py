"""How much waits, and whether one more may: what a sender knows of the fleet for a moment."""

from collections import Counter
from collections.abc import Mapping
from time import monotonic

from tilefleet.errors import Overloaded
from tilefleet.report import Fleet

#: Seconds for which a look is good.
FRESH_S = 0.25


class Backlog:
    """What waits in each lane by the last look, what was sent since, and what may wait.

    Without a worker there is no bound: captchas wait for the first one.
    """

    def __init__(self) -> None:
        #: The workers, by the last look.
        self.fleet = Fleet()
        self._waiting: dict[str, int] = {}
        self._sent: Counter[str] = Counter()
        self._looked: dict[str, float] = {}

    def saw(self, fleet: Fleet, waiting: Mapping[str, int]) -> None:
        """A look has shown this."""
        self.fleet = fleet
        for lane, count in waiting.items():
            self._waiting[lane] = count
            self._sent[lane] = 0
            self._looked[lane] = monotonic()

    def sent(self, lane: str, count: int) -> None:
        self._sent[lane] += count

    def is_fresh(self, lane: str) -> bool:
        return monotonic() - self._looked.get(lane, float("-inf")) < FRESH_S

    def is_full(self, lane: str, count: int = 1) -> bool:
        """Whether so many more are too many; never when nothing waits."""
        bound, waiting = self.fleet.bounds.get(lane), self.waiting(lane)
        return bound is not None and waiting > 0 and waiting + count > bound

    def needs_look(self, lane: str, count: int = 1) -> bool:
        """Whether nothing may be sent, or refused, before another look.

        That is so at first, and where it seems full but the look is old, or counts captchas sent
        since, which may be answered already.
        """
        if lane not in self._looked:
            return True
        return self.is_full(lane, count) and (not self.is_fresh(lane) or self._sent[lane] > 0)

    def overloaded(self, lane: str, count: int = 1) -> Overloaded:
        """The error, with an estimate of the time to drain."""
        drain_s = self.fleet.drain_s(self.waiting(lane))
        drained = "" if drain_s is None else f"; they are read in about {drain_s:.1f} s"
        more = "" if count == 1 else f", too many for {count} more"
        error = Overloaded(
            f"{self.waiting(lane)} wait on {lane}, and {self.fleet.bounds[lane]} may with "
            f"{self.fleet.workers} workers{more}{drained}"
        )
        error.drain_s = drain_s
        return error

    def waiting(self, lane: str) -> int:
        """Messages that wait in a lane, as far as this sender knows."""
        return self._waiting.get(lane, 0) + self._sent[lane]
