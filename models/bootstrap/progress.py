"""How far a long command's steps are, and how long each took."""

from collections.abc import Callable, Mapping
from time import monotonic

#: Tells how far a step is: how many are done, and of how many.
Tick = Callable[[int, int], None]
#: Begins a step of that name, which ends the one before.
Begin = Callable[[str], Tick]


def unheard(done: int, of: int) -> None:
    """A tick that nobody looks at."""


class Watch:
    """A `Begin` that passes on to another one, and notes how long each step took."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin
        self._seconds: dict[str, float] = {}
        self._step = ""
        self._since = monotonic()

    def __call__(self, step: str) -> Tick:
        self._note()
        self._step = step
        return self._begin(step)

    def seconds(self) -> Mapping[str, float]:
        """Step → seconds, of those that were begun, in their order; the last one until now."""
        self._note()
        return dict(self._seconds)

    def _note(self) -> None:
        now = monotonic()
        if self._step:
            self._seconds[self._step] = self._seconds.get(self._step, 0.0) + now - self._since
        self._since = now
