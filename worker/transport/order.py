"""In which order a worker empties its queues: kombu's `queue_order_strategy`."""

from collections.abc import Iterable
from typing import Any

from kombu.utils.scheduling import round_robin_cycle

from tilefleet import wire


class LaneCycle(round_robin_cycle):
    """Those where somebody waits before all others; these, and those, take turns at being first.

    So no model's captchas wait for all of another one's.
    """

    def __init__(self, it: Any = None) -> None:
        super().__init__(it)
        self._turn = 0
        self.update(list(self.items))

    def update(self, it: Iterable[str]) -> None:
        """These are consumed from now on."""
        super().update(it)
        named = sorted(self.items)
        self._first = [queue for queue in named if is_first(queue)]
        self._others = [queue for queue in named if not is_first(queue)]

    def consume(self, n: int) -> list[str]:
        """The first `n` of them, for one look."""
        self._turn += 1
        return [*_turned(self._first, self._turn), *_turned(self._others, self._turn)][:n]

    def rotate(self, last_used: str) -> str:
        """Nothing: every look is another turn."""
        return last_used


def is_first(queue: str) -> bool:
    """Whether somebody waits for what is there."""
    return wire.is_lane(queue) and not wire.is_bulk(queue)


def _turned(queues: list[str], turn: int) -> list[str]:
    at = turn % len(queues) if queues else 0
    return queues[at:] + queues[:at]
