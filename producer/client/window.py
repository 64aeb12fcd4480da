"""Which captchas of a `map` are on their way, and whose answers come next; for both clients."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Generic, Protocol, TypeVar

from .arguments import several, whole

#: Captchas of the bulk lane that go in one message.
_TOGETHER = 32

#: An ordered `map` sends captchas in groups, and waits for a group together: most captchas of one,
#: and the share of the window that one is at most. A slow captcha holds up no more.
_MOST_AT_ONCE, _SHARES = 16, 16


def group_size(window: int, *, bulk: bool, ordered: bool) -> int:
    """How many captchas of a `map` go together; raises BadArgument for a window below 1."""
    window = whole(window, "window", 1, "captchas that are on their way at once")
    if bulk:
        return min(_TOGETHER, window)
    return max(1, min(_MOST_AT_ONCE, window // _SHARES)) if ordered else 1


class Running(Protocol):
    """An asyncio task, or the future of a thread."""

    def done(self) -> bool: ...


S = TypeVar("S")
F = TypeVar("F", bound=Running)


class Window(Generic[S, F]):
    """Up to `size` captchas on their way, in groups of `together`."""

    def __init__(self, sources: Iterable[S], size: int, *, together: int, ordered: bool) -> None:
        self._remaining = iter(several(sources))
        self._size, self._together, self._ordered = size, together, ordered
        self._running: deque[tuple[list[S], F]] = deque()

    def fill(self, send: Callable[[list[S]], F]) -> bool:
        """Send as many groups as there is room for; False when nothing is on its way."""
        while len(self._running) * self._together < self._size and (
            some := list(islice(self._remaining, self._together))
        ):
            self._running.append((some, send(some)))
        return bool(self._running)

    def awaited(self) -> Sequence[F]:
        """Those of which one has to be done before `take`; none: it may be called at once."""
        if self._ordered or self._running[0][1].done():
            return ()
        return self.left()

    def take(self) -> tuple[list[S], F]:
        """The group whose answers come next: the oldest, or, in any order, one that is done."""
        if not self._ordered:
            # What is done goes to the front.
            self._running = deque(sorted(self._running, key=lambda each: not each[1].done()))
        return self._running.popleft()

    def left(self) -> list[F]:
        """All that are on their way."""
        return [future for _, future in self._running]
