"""Turns of the event loop: what one address has sent waits for its turn, not others for it.

The loop does what comes in the order in which it comes, so who sends most gets most of it. Here
each address has a queue of its own for what takes time (parsing, a request's begin, a slice of its
body), and they are served round robin, for a millisecond before others have the loop.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from time import perf_counter

#: Seconds of it in one turn of the loop.
_MOST_S = 0.001
#: What is reckoned for what goes on behind a turn and cannot be measured here.
_STEP_S = 0.0003


class Turns:
    """Of one event loop."""

    def __init__(self) -> None:
        self._of: OrderedDict[str, deque[Callable[[], None]]] = OrderedDict()
        self._left_s = _MOST_S
        self._busy = self._due = False

    def do(self, who: str, work: Callable[[], None]) -> None:
        """Call `work`: at once where nobody waits, else when it is `who`'s turn."""
        if self._busy or self._of or self._left_s <= 0:
            self._of.setdefault(who, deque()).append(work)
        else:
            self._call(work)
        self._go_on()

    async def wait(self, who: str) -> None:
        """Return when it is `who`'s turn."""
        turn = asyncio.get_running_loop().create_future()
        self.do(who, lambda: None if turn.done() else turn.set_result(None))
        if not turn.done():
            await turn

    def _go_on(self) -> None:
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._due, self._left_s = False, _MOST_S
        try:
            while self._of and self._left_s > 0:
                who, queue = self._of.popitem(last=False)
                work = queue.popleft()
                if queue:
                    # Behind all others.
                    self._of[who] = queue
                self._call(work)
        finally:
            if self._of:
                self._go_on()

    def _call(self, work: Callable[[], None]) -> None:
        begun, self._busy = perf_counter(), True
        try:
            work()
        finally:
            self._busy = False
            self._left_s -= perf_counter() - begun + _STEP_S


#: Of this process.
turns = Turns()
