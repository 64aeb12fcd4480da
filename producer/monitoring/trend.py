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
        #: The fleet's rates, oldest first.
        self.curve: deque[float] = deque(maxlen=_CURVE)

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
        self.curve.append(self.rate)

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
