"""What workers tell about themselves, and what that says of the fleet.

Each worker writes a line into one hash every second, with the server's own time; a worker whose
line is old is gone. Senders read the hash to know how much may wait. A node's name is one worker's:
another one cannot write a line under it (`worker.monitoring.name`).
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic, time
from typing import Any, Final

from tilefleet import wire
from tilefleet.figures import Figures

#: The hash: node name → line.
KEY: Final = "tilefleet-fleet"
#: Seconds between two lines of one worker, and after which it counts as gone.
EVERY_S: Final = 1.0
GONE_S: Final = 5
#: Seconds by which a clock that is set anew jumps, at least.
_STEP_S: Final = 0.5

#: Writes one line, unless another worker that lives has the name.
#:
#: KEYS: the hash. ARGV: 1 node name, 2 text, 3 what is in this worker's lines only, 4 a line that
#: may be overwritten, as its worker has been silent since. Returns the server's time: seconds,
#: microseconds; then the other's line, if there is one.
WRITE: Final = f"""
local now = redis.call('TIME')
local held = redis.call('HGET', KEYS[1], ARGV[1])
if held and held ~= ARGV[4] and not string.find(held, ARGV[3], 1, true)
    and now[1] - (tonumber(string.match(held, '^%d+')) or 0) <= {GONE_S} then
  return {{now[1], now[2], held}}
end
redis.call('HSET', KEYS[1], ARGV[1], now[1] .. ' ' .. ARGV[2])
redis.call('EXPIRE', KEYS[1], 3600)
return now
"""

#: Takes the line away. KEYS: the hash. ARGV: node name, what is in this worker's lines only.
REMOVE: Final = """
local held = redis.call('HGET', KEYS[1], ARGV[1])
if held and string.find(held, ARGV[2], 1, true) then redis.call('HDEL', KEYS[1], ARGV[1]) end
"""


@dataclass(frozen=True, slots=True)
class Report:
    """One worker: what it does, and how much may wait for it."""

    #: Captchas a second when it has more than enough to do; 0 while that has not happened.
    rate: float
    #: Most messages that may wait for this worker, by lane; of the lanes that it reads now.
    bounds: Mapping[str, int]
    #: ``name@identity`` of the model that reads what names none; none while the worker starts.
    model: str = ""
    figures: Figures = Figures()
    #: Which process it is: two of one name are told apart by it.
    process: str = ""
    #: ``name@identity`` of the models that it holds beside.
    others: tuple[str, ...] = ()
    #: Whether it fetches bodies that are beside their messages (`wire.STORED`).
    fetches: bool = False

    @property
    def models(self) -> tuple[str, ...]:
        """All that it holds, its default first."""
        return (self.model, *self.others) if self.model else self.others

    def encode(self) -> str:
        """As JSON, without the time that `WRITE` puts in front."""
        fields = {
            "rate": round(self.rate, 1),
            "bounds": dict(self.bounds),
            "model": self.model,
            "figures": self.figures.encode(),
            "process": self.process,
            "others": list(self.others),
            "fetches": self.fetches,
        }
        return json.dumps(fields, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Fleet:
    """All workers together that read a lane."""

    workers: int = 0
    #: Captchas a second; 0 while unknown.
    rate: float = 0.0
    #: By lane: most messages that may wait there, how many workers read it, and how many captchas
    #: a second these read, of any lane.
    bounds: Mapping[str, int] = field(default_factory=dict)
    readers: Mapping[str, int] = field(default_factory=dict)
    rates: Mapping[str, float] = field(default_factory=dict)
    #: Whether all of them, those too that read nothing now, fetch bodies beside their messages.
    fetch: bool = False

    @classmethod
    def read(cls, now: int, lines: Iterable[bytes]) -> "Fleet":
        """From the server's time in seconds and the hash's values; lines of others are skipped."""
        told = [report for line in lines if (report := decode(now, line)) is not None]
        # Others start, stop, have lost their server, or were taken out.
        reports = [report for report in told if report.bounds]
        known = [report.rate for report in reports if report.rate > 0]
        # A worker whose rate is not known yet is taken for an average one.
        average = sum(known) / len(known) if known else 0.0
        bounds: Counter[str] = Counter()
        readers: Counter[str] = Counter()
        rates: dict[str, float] = {}
        for report in reports:
            for lane, bound in report.bounds.items():
                bounds[lane] += bound
                readers[lane] += 1
                rates[lane] = rates.get(lane, 0.0) + (report.rate or average)
        fetch = bool(reports) and all(report.fetches for report in told)
        return cls(len(reports), average * len(reports), bounds, readers, rates, fetch)

    @classmethod
    def total(cls, each: Sequence["Fleet"]) -> "Fleet":
        """Of several servers."""
        bounds: Counter[str] = Counter()
        readers: Counter[str] = Counter()
        rates: dict[str, float] = {}
        for one in each:
            bounds.update(one.bounds)
            readers.update(one.readers)
            for lane, rate in one.rates.items():
                rates[lane] = rates.get(lane, 0.0) + rate
        workers, rate = sum(one.workers for one in each), sum(one.rate for one in each)
        return cls(workers, rate, bounds, readers, rates, all(one.fetch for one in each))

    @property
    def models(self) -> tuple[str, ...]:
        """Names of those that workers hold: for which there are lanes that somebody reads."""
        return tuple(sorted({wire.model_of(lane) for lane in self.bounds} - {""}))

    def lacks(self, model: str) -> bool:
        """Whether none of the workers that live would read what names this model.

        Not known without a worker: it may be the next one that starts.
        """
        return bool(model and self.workers) and model not in self.models

    def drain_s(self, waiting: int, lane: str = "") -> float | None:
        """Seconds until so many are answered, on one lane or all; None while that is unknown."""
        rate = self.rates.get(lane, self.rate) if lane else self.rate
        return waiting / rate if rate else None


class ServerClock:
    """What the time is by the server's clock, which all that use it share.

    Machines' clocks differ. What is compared between them (when a captcha expires, when it is due)
    is written and read by the server's.
    """

    def __init__(self) -> None:
        #: Seconds that the server is ahead of this machine; 0 unless a reply has shown otherwise.
        self.ahead_s = 0.0
        self._steady = 0.0

    def saw(self, server: float, *, asked: float, answered: float) -> None:
        """It was `server` there at some moment between these two here, all of them Unix time."""
        self.ahead_s = server - min(max(server, asked), answered)
        self._steady = time() - monotonic()

    def heard(self, server: float, *, asked: float, answered: float) -> None:
        """The same of a reply that may have lain unread: it counts where the clock was set."""
        if not asked - _STEP_S < server - self.ahead_s < answered + _STEP_S:
            self.saw(server, asked=asked, answered=answered)

    def was_ahead(self, ahead_s: float) -> bool:
        """Whether the server's clock was set forward since it was so many seconds ahead."""
        return self.ahead_s > ahead_s + _STEP_S

    def now(self) -> float:
        """Unix time, seconds."""
        return time() + self.ahead_s

    @property
    def was_set(self) -> bool:
        """Whether this machine's clock has been set since, or the machine was asleep."""
        return abs(time() - monotonic() - self._steady) > _STEP_S


def decode(now: int, line: bytes) -> Report | None:
    """One worker's line; None if it is old or no such line."""
    at, _, text = line.partition(b" ")
    try:
        values: Any = json.loads(text)
        # One of the future is from before the server's clock was set back: who lives writes anew.
        if abs(now - int(at)) > GONE_S:
            return None
        model = str(values.get("model", ""))
        figures = Figures.decode(values.get("figures", {}))
        process = str(values.get("process", ""))
        others = tuple(map(str, values.get("others", ())))
        bounds = {str(lane): int(bound) for lane, bound in values["bounds"].items()}
        fetches = values.get("fetches") is True
        return Report(float(values["rate"]), bounds, model, figures, process, others, fetches)
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
