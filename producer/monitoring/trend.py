"""What a fleet's workers counted in the last seconds, from the totals that they tell."""

from collections import deque
from time import monotonic
from typing import Final

from producer.monitoring.watch import View
from tilefleet import report
from tilefleet.figures import Figures

#: Lines of a worker that are kept: the seconds that rates are taken over.
_LINES: Final = 6
#: Rates that are kept of the fleet.
_CURVE: Final = 60
#: Seconds without a new line after which a worker's last ones say nothing about now.
_SILENT_S: Final = 2.5 * report.EVERY_S


class Trend:
    """The difference of the newest and the oldest line of each worker."""

    def __init__(self) -> None:
        self._lines: dict[str, deque[Figures]] = {}
        #: When each worker's newest line was seen first, by the monotonic clock.
        self._heard: dict[str, float] = {}
        #: Of the fleet, oldest first: captchas a second; seconds that the oldest captcha waits, in
        #: a lane or in a worker; seconds that half of them took at most in a worker.
        self.rates: deque[float] = deque(maxlen=_CURVE)
        self.ages: deque[float] = deque(maxlen=_CURVE)
        self.latencies: deque[float] = deque(maxlen=_CURVE)
        #: Captchas a second of each worker.
        self.rates_of: dict[str, deque[float]] = {}

    def add(self, view: View, now: float | None = None) -> None:
        """The next look, at this time of the monotonic clock."""
        now = monotonic() if now is None else now
        self._lines = {name: self._lines.get(name, deque(maxlen=_LINES)) for name in view.workers}
        self._heard = {name: self._heard.get(name, now) for name in view.workers}
        self._now = now
        for name, worker in view.workers.items():
            lines = self._lines[name]
            if lines and worker.figures.uptime_s < lines[-1].uptime_s:
                # Started anew under its name.
                lines.clear()
            if not lines or worker.figures.uptime_s > lines[-1].uptime_s:
                lines.append(worker.figures)
                self._heard[name] = now
        self.rates.append(self.rate)
        self.ages.append(oldest_s(view))
        self.latencies.append(latency_s(self.total))
        self.rates_of = {
            name: self.rates_of.get(name, deque(maxlen=_CURVE)) for name in view.workers
        }
        for name, rates in self.rates_of.items():
            recent = self.of(name)
            rates.append(0.0 if recent is None else recent.rate)

    def silent_s(self, name: str) -> float:
        """How long a worker has told nothing new; 0 while it tells as it should.

        It was killed, stands still or has lost the server: it counts as gone after a few seconds.
        """
        silent_s = self._now - self._heard[name]
        return silent_s if silent_s > _SILENT_S else 0.0

    def of(self, name: str) -> Figures | None:
        """One worker's; None before its second line, and while it is silent."""
        lines = self._lines[name]
        return lines[-1].since(lines[0]) if len(lines) > 1 and not self.silent_s(name) else None

    @property
    def rate(self) -> float:
        """Captchas a second, all workers together."""
        return sum(each.rate for each in self._each())

    @property
    def total(self) -> Figures:
        return Figures.total(self._each())

    def _each(self) -> list[Figures]:
        return [each for name in self._lines if (each := self.of(name)) is not None]


def oldest_s(view: View) -> float:
    """Seconds that the oldest captcha waits, as far as that is known: in a lane, or in a worker."""
    in_workers = (worker.figures.oldest_s for worker in view.workers.values())
    return max([0.0, *view.oldest_s.values(), *in_workers])


def latency_s(recent: Figures) -> float:
    """Seconds that half of the captchas took at most from their arrival in a worker to an answer:
    the sum of its steps' medians, each to its bucket's end; 0 if there were none."""
    medians = (recent.quantile(name, 0.5) for name in recent.durations)
    return sum(median for median in medians if median not in (None, float("inf")))
