"""What a worker counts: totals since its start, as it tells them once a second.

Totals, so that whoever looks twice has the figures of the time in between: `since`. Those of
several workers add up: `total`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final, Self

#: Upper ends of the buckets that durations are counted in, seconds; one more takes all the longer.
BOUNDS: Final = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025),
    *(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
#: Fields of what is so now, and not counted.
_NOW: Final = ("engine", "lanes", "max_batch", "waiting", "running", "claimed", "oldest_s")


@dataclass(frozen=True, slots=True)
class Figures:
    """One worker's, or several workers' together."""

    #: Seconds since its start, or since the earlier look.
    uptime_s: float = 0.0
    #: What runs the networks, and how many passes of how many captchas at most go side by side.
    engine: str = ""
    lanes: int = 0
    max_batch: int = 0
    #: Captchas in the worker that wait for a pass, and that are being read, now.
    waiting: int = 0
    running: int = 0
    #: Messages that it has claimed and not acknowledged, now.
    claimed: int = 0
    #: Seconds that the oldest of those that wait has been in the worker; 0 if none waits.
    oldest_s: float = 0.0
    #: Captchas that joined one with the same bytes, or got its kept answer: read without a pass.
    joined: int = 0
    #: Captchas that failed, by the class of their error.
    errors: Mapping[str, int] = field(default_factory=dict)
    #: Captchas that were answered, and that failed, by the name of the model they were for.
    answered_by: Mapping[str, int] = field(default_factory=dict)
    failed_by: Mapping[str, int] = field(default_factory=dict)
    #: How many passes answered so many captchas.
    passes: Mapping[int, int] = field(default_factory=dict)
    #: How many captchas took so long to decode, to wait, to be read and to be stored, by `BOUNDS`.
    durations: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def captchas(self) -> int:
        """Captchas that passes answered."""
        return sum(size * count for size, count in self.passes.items())

    @property
    def rate(self) -> float:
        """Captchas a second that passes answered."""
        return self.captchas / self.uptime_s if self.uptime_s else 0.0

    @property
    def failed(self) -> int:
        """Captchas that failed, of any error."""
        return sum(self.errors.values())

    @property
    def pass_size(self) -> float:
        """Captchas in a pass, on average; 0 without one."""
        count = sum(self.passes.values())
        return self.captchas / count if count else 0.0

    def quantile(self, name: str, share: float) -> float | None:
        """Seconds that this share took at most, to the next bucket's end; None if nothing did."""
        buckets = self.durations.get(name, ())
        reached, wanted = 0, share * sum(buckets)
        for bound, count in zip((*BOUNDS, float("inf")), buckets, strict=False):
            reached += count
            if count and reached >= wanted:
                return bound
        return None

    def since(self, earlier: Self) -> "Figures":
        """What came on top of `earlier`; all of it, if the worker has been started anew since."""
        if self.uptime_s < earlier.uptime_s:
            return self
        return Figures(
            uptime_s=self.uptime_s - earlier.uptime_s,
            **{name: getattr(self, name) for name in _NOW},
            joined=self.joined - earlier.joined,
            errors=_difference(self.errors, earlier.errors),
            answered_by=_difference(self.answered_by, earlier.answered_by),
            failed_by=_difference(self.failed_by, earlier.failed_by),
            passes=_difference(self.passes, earlier.passes),
            durations={
                name: tuple(
                    now - before
                    for now, before in zip(
                        buckets, earlier.durations.get(name, (0,) * len(buckets)), strict=True
                    )
                )
                for name, buckets in self.durations.items()
            },
        )

    @classmethod
    def total(cls, each: Iterable["Figures"]) -> "Figures":
        """Those of several workers."""
        each = list(each)
        errors: Counter[str] = Counter()
        answered: Counter[str] = Counter()
        failed: Counter[str] = Counter()
        passes: Counter[int] = Counter()
        durations: dict[str, tuple[int, ...]] = {}
        for one in each:
            errors.update(one.errors)
            answered.update(one.answered_by)
            failed.update(one.failed_by)
            passes.update(one.passes)
            for name, buckets in one.durations.items():
                so_far = durations.get(name, (0,) * len(buckets))
                durations[name] = tuple(map(sum, zip(so_far, buckets, strict=True)))
        return cls(
            uptime_s=max((one.uptime_s for one in each), default=0.0),
            engine=", ".join(sorted({one.engine for one in each})),
            lanes=sum(one.lanes for one in each),
            max_batch=max((one.max_batch for one in each), default=0),
            waiting=sum(one.waiting for one in each),
            running=sum(one.running for one in each),
            claimed=sum(one.claimed for one in each),
            oldest_s=max((one.oldest_s for one in each), default=0.0),
            joined=sum(one.joined for one in each),
            errors=dict(errors),
            answered_by=dict(answered),
            failed_by=dict(failed),
            passes=dict(passes),
            durations=durations,
        )

    def encode(self) -> dict[str, Any]:
        """As plain JSON types."""
        return asdict(self)

    @classmethod
    def decode(cls, encoded: Mapping[str, Any]) -> "Figures":
        """The inverse of `encode`; raises TypeError, ValueError or AttributeError on others."""
        passes = {int(size): int(count) for size, count in encoded.get("passes", {}).items()}
        durations = {
            str(name): tuple(int(count) for count in buckets)
            for name, buckets in encoded.get("durations", {}).items()
            if len(buckets) == len(BOUNDS) + 1
        }
        # What a later version tells beside it is left out.
        known = {each.name: encoded[each.name] for each in fields(cls) if each.name in encoded}
        return cls(**{**known, "passes": passes, "durations": durations})


def labelled(metrics: Iterable[Any], **labels: str) -> Iterator[Any]:
    """Metrics as Prometheus's library collects them, each sample with these labels too."""
    for metric in metrics:
        metric.samples = [
            sample._replace(labels={**sample.labels, **labels}) for sample in metric.samples
        ]
        yield metric


def _difference(now: Mapping[Any, int], before: Mapping[Any, int]) -> dict[Any, int]:
    return {
        name: count - before.get(name, 0)
        for name, count in now.items()
        if count != before.get(name, 0)
    }
