"""What workers tell about themselves, and what that says of the fleet.

Each worker writes a line into one hash every second, with the server's own time; a worker whose
line is old is gone. Senders read the hash to know how much may wait.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tilefleet.figures import Figures

#: The hash: node name → line.
KEY: Final = "tilefleet-fleet"
#: Seconds between two lines of one worker, and after which it counts as gone.
EVERY_S: Final = 1.0
GONE_S: Final = 5

#: Writes one line. KEYS: the hash. ARGV: node name, text.
WRITE: Final = """
local now = redis.call('TIME')
redis.call('HSET', KEYS[1], ARGV[1], now[1] .. ' ' .. ARGV[2])
redis.call('EXPIRE', KEYS[1], 3600)
"""


@dataclass(frozen=True, slots=True)
class Report:
    """One worker: what it does, and how much may wait for it."""

    #: Captchas a second when it has more than enough to do; 0 while that has not happened.
    rate: float
    #: Most messages that may wait for this worker, by lane.
    bounds: Mapping[str, int]
    #: ``name@identity`` of the model that reads.
    model: str = ""
    figures: Figures = Figures()

    def encode(self) -> str:
        """As JSON, without the time that `WRITE` puts in front."""
        fields = {"rate": round(self.rate, 1), "bounds": dict(self.bounds), "model": self.model}
        fields["figures"] = self.figures.encode()
        return json.dumps(fields, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Fleet:
    """All workers together."""

    workers: int = 0
    #: Captchas a second; 0 while unknown.
    rate: float = 0.0
    bounds: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, now: int, lines: Iterable[bytes]) -> "Fleet":
        """From the server's time in seconds and the hash's values; lines of others are skipped."""
        reports = [report for line in lines if (report := decode(now, line)) is not None]
        known = [report.rate for report in reports if report.rate > 0]
        # A worker whose rate is not known yet is taken for an average one.
        rate = sum(known) / len(known) * len(reports) if known else 0.0
        bounds: dict[str, int] = {}
        for report in reports:
            for lane, bound in report.bounds.items():
                bounds[lane] = bounds.get(lane, 0) + bound
        return cls(len(reports), rate, bounds)

    def drain_s(self, waiting: int) -> float | None:
        """Seconds until so many are answered; None while the rate is unknown."""
        return waiting / self.rate if self.rate else None


def decode(now: int, line: bytes) -> Report | None:
    """One worker's line; None if it is old or no such line."""
    at, _, text = line.partition(b" ")
    try:
        values: Any = json.loads(text)
        if now - int(at) > GONE_S:
            return None
        model = str(values.get("model", ""))
        figures = Figures.decode(values.get("figures", {}))
        return Report(float(values["rate"]), dict(values["bounds"]), model, figures)
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
