"""How long something takes: enough of every measurement to say so later, in little room."""

from bisect import bisect_left
from threading import Lock
from typing import Any

from tilefleet.figures import BOUNDS


class Durations:
    """A histogram of seconds; several threads may add to it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.count = 0
        self.total = 0.0
        self.longest = 0.0
        self.buckets = [0] * (len(BOUNDS) + 1)

    def add(self, seconds: float, times: int = 1) -> None:
        with self._lock:
            self.count += times
            self.total += seconds * times
            self.longest = max(self.longest, seconds)
            self.buckets[bisect_left(BOUNDS, seconds)] += times

    def snapshot(self) -> tuple[list[int], float]:
        """How many in each bucket, and the sum of their seconds, at one moment."""
        with self._lock:
            return list(self.buckets), self.total

    def quantile(self, share: float) -> float:
        """Seconds within which this share of all was done, to the next bucket's end."""
        reached = 0
        for bound, count in zip(BOUNDS, self.buckets, strict=False):
            reached += count
            if reached >= share * self.count:
                return min(bound, self.longest)
        return self.longest

    def encode(self) -> dict[str, Any]:
        """For ``inspect stats``; milliseconds."""
        if not self.count:
            return {"count": 0}
        in_ms = {
            "mean_ms": self.total / self.count,
            "p50_ms": self.quantile(0.5),
            "p99_ms": self.quantile(0.99),
            "max_ms": self.longest,
        }
        return {"count": self.count, **{name: round(s * 1000, 3) for name, s in in_ms.items()}}
