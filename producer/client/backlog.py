"""How much waits, and whether one more may: what a sender knows of the fleet for a moment."""

from collections import Counter
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Final

from tilefleet import wire
from tilefleet.errors import Overloaded, UnknownModel
from tilefleet.report import GONE_S, Fleet

from . import message

#: Seconds for which a look is good.
FRESH_S = 0.25

#: When the oldest message of each list was sent, by its sender's clock, and the server's now.
#: KEYS: the lists. ARGV: the header.
OLDEST: Final = """
local sent = {redis.call('TIME')[1]}
for number, list in ipairs(KEYS) do
    local oldest = redis.call('LINDEX', list, -1)
    local at = oldest and string.match(oldest, '"' .. ARGV[1] .. '": ?(%d[%d.]*)')
    sent[number + 1] = at or (oldest and 'unknown' or '')
end
return sent
"""


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
        self._saw_at = float("-inf")

    @classmethod
    def total(cls, each: Sequence["Backlog"]) -> "Backlog":
        """Of several fleets."""
        if len(each) == 1:
            return each[0]
        whole = cls()
        whole.fleet = Fleet.total([one.fleet for one in each])
        for one in each:
            for lane, seen in one._looked.items():
                whole._waiting[lane] = whole._waiting.get(lane, 0) + one.waiting(lane)
                whole._looked[lane] = seen
        return whole

    def saw(self, fleet: Fleet, waiting: Mapping[str, int]) -> None:
        """A look has shown this."""
        self.fleet, self._saw_at = fleet, monotonic()
        for lane, count in waiting.items():
            if wire.model_of(lane) and lane not in fleet.bounds:
                # Whoever names models that are nowhere leaves nothing here.
                self._forget(lane)
                continue
            self._waiting[lane] = count
            self._sent[lane] = 0
            self._looked[lane] = monotonic()

    @property
    def lanes(self) -> list[str]:
        """Those of all workers, and those of the models that some of them hold."""
        return [*wire.LANES, *sorted({*self.fleet.bounds} - {*wire.LANES})]

    def sent(self, lane: str, count: int) -> None:
        if lane in self._looked:
            self._sent[lane] += count

    def is_fresh(self, lane: str) -> bool:
        return monotonic() - self._looked.get(lane, float("-inf")) < FRESH_S

    @property
    def fetches(self) -> bool:
        """Whether all workers fetch bodies beside their messages; others may have come since a look
        that is older than the line of one that has gone."""
        return self.fleet.fetch and monotonic() - self._saw_at < GONE_S

    def lacks(self, lane: str) -> bool:
        """Whether no worker holds the model of this lane."""
        return self.fleet.lacks(wire.model_of(lane))

    def unknown(self, lane: str) -> UnknownModel:
        """The error, with what there is."""
        return UnknownModel.of(wire.model_of(lane), self.fleet.models)

    def is_full(self, lane: str, count: int = 1) -> bool:
        """Whether so many more are too many; never when nothing waits."""
        bound, waiting = self.fleet.bounds.get(lane), self.waiting(lane)
        return bound is not None and waiting > 0 and waiting + count > bound

    def needs_look(self, lane: str, count: int = 1) -> bool:
        """Whether nothing may be sent, or refused, before another look.

        That is so at first, and where it seems full but the look is old, or counts captchas sent
        since, which may be answered already.
        """
        if lane not in self._looked or self.lacks(lane):
            return True
        return self.is_full(lane, count) and (not self.is_fresh(lane) or self._sent[lane] > 0)

    def overloaded(self, lane: str, count: int = 1) -> Overloaded:
        """The error, with an estimate of the time to drain."""
        drain_s = self.fleet.drain_s(self.waiting(lane), lane)
        drained = "" if drain_s is None else f"; they are read in about {drain_s:.1f} s"
        more = "" if count == 1 else f", too many for {count} more"
        error = Overloaded(
            f"{self.waiting(lane)} wait on {lane}, and {self.fleet.bounds[lane]} may with "
            f"{self.fleet.readers.get(lane, self.fleet.workers)} workers{more}{drained}"
        )
        error.drain_s = drain_s
        return error

    def waiting(self, lane: str) -> int:
        """Messages that wait in a lane, as far as this sender knows."""
        return self._waiting.get(lane, 0) + self._sent.get(lane, 0)

    def _forget(self, lane: str) -> None:
        for each in (self._waiting, self._sent, self._looked):
            each.pop(lane, None)


def oldest_arguments(lanes: Sequence[str], *, key_prefix: str) -> tuple[str | int, ...]:
    """What follows the script: its keys, how many before them, and the header."""
    keys = [key for lane in lanes for key in message.lists(key_prefix + lane)]
    return (len(keys), *keys, wire.SENT_AT)


def oldest_s(lanes: Sequence[str], reply: Sequence[bytes]) -> dict[str, float]:
    """Seconds that the oldest message of each lane has waited, by the script's reply; 0: none.

    A lane whose oldest message does not say when it was sent, by another Celery application, is
    left out.
    """
    now, *sent = reply
    found: dict[str, float] = {}
    for lane in lanes:
        each = len(message.lists(lane))
        times, sent = sent[:each], sent[each:]
        if b"unknown" not in times:
            found[lane] = max([0.0, *(float(now) - float(time) for time in times if time)])
    return found
