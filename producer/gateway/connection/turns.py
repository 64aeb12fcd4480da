"""Turns of the event loop: what one address has sent waits for its turn, not others for it.

The loop does what comes in the order in which it comes, so who sends most gets most of it. Here
each address may have a share of each turn of the loop for what takes time (parsing, a request's
begin, a slice of its body); what is more waits for the next ones. Who is alone has all of it: what
begins in one turn goes to the fleet as one batch.
"""

import asyncio
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from time import monotonic, thread_time

#: Seconds of a turn that an address may have beside others, and all of them together.
_SHARE_S, _MOST_S = 0.002, 0.02
#: What is reckoned for what goes on behind a turn and cannot be measured here.
_STEP_S = 0.0003
#: Seconds for which somebody counts as being there.
_THERE_S = 1.0

Work = Callable[[], None]


class Turns:
    """Of one event loop."""

    def __init__(self) -> None:
        self._of: OrderedDict[str, deque[tuple[Work, float]]] = OrderedDict()
        #: Seconds that each has had in this turn.
        self._had: defaultdict[str, float] = defaultdict(float)
        self._busy = self._due = False
        #: Who has come in this period, and in the one before.
        self._here: set[str] = set()
        self._before: set[str] = set()
        self._ends = 0.0

    def do(self, who: str, work: Work, step_s: float = 0.0) -> None:
        """Call `work`: at once, or where `who` has had its share in a later turn, in order.

        `step_s`: seconds that it takes beside what it takes itself.
        """
        self._note(who)
        if self._busy or who in self._of or not self._may(who):
            self._of.setdefault(who, deque()).append((work, step_s))
        else:
            self._call(who, work, step_s)
        self._go_on()

    async def wait(self, who: str) -> None:
        """Return when it is `who`'s turn."""
        turn = asyncio.get_running_loop().create_future()
        self.do(who, lambda: None if turn.done() else turn.set_result(None), _STEP_S)
        if not turn.done():
            await turn

    def _note(self, who: str) -> None:
        now = monotonic()
        if now > self._ends:
            self._before = self._here if now < self._ends + _THERE_S else set()
            self._here, self._ends = set(), now + _THERE_S
        self._here.add(who)

    def _may(self, who: str) -> bool:
        is_alone = len(self._here) == 1 and self._before <= self._here
        return is_alone or self._had[who] < _SHARE_S

    def _go_on(self) -> None:
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._due = False
        self._had.clear()
        try:
            for who in list(self._of):
                queue = self._of[who]
                while queue and self._may(who) and self._had[who] < _MOST_S:
                    self._call(who, *queue.popleft())
                if not queue:
                    del self._of[who]
                if sum(self._had.values()) > _MOST_S:
                    break
                if queue:
                    # Behind those that this turn may not come to.
                    self._of.move_to_end(who)
        finally:
            if self._of:
                self._go_on()

    def _call(self, who: str, work: Work, step_s: float) -> None:
        begun, self._busy = thread_time(), True
        try:
            work()
        finally:
            self._busy = False
            self._had[who] += thread_time() - begun + step_s


#: Of this process.
turns = Turns()
