"""Turns of the event loop: what one address has sent waits for its turn, not others for it.

The loop does what comes in the order in which it comes, so who sends most gets most of it. Here
each address may have a share of each turn of the loop for what takes time (parsing, a request's
begin, a slice of its body), and while others are there half of the time that passes: what is more
waits, in order. So whoever asks for little finds a loop that has little to do, whatever another
one sends; several who want all of it have all of it together. Who is alone has no bound but that
others may come: what begins in one turn goes to the fleet as one batch.
"""

import asyncio
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Coroutine, Generator
from time import monotonic, thread_time
from typing import Any

#: Seconds of a turn that an address may have beside others, and all of them together.
_SHARE_S, _MOST_S = 0.0003, 0.001
#: Of one who is alone: others may come.
_ALONE_S = 0.02
#: How much of the time that passes an address may have beside others, and seconds that it may
#: have saved.
_PART, _SAVED_S = 0.5, 0.01
#: Seconds for which is waited where nobody may have more, and what a turn counts for at most: who
#: has the machine otherwise gives nobody more of the loop.
_WAIT_S = 0.001
_MOST_PASSED_S = _PART * _WAIT_S
#: Seconds without a turn, as nobody asked for one, from which on they count as a whole.
_IDLE_S = 0.02
#: What is reckoned for what goes on behind a turn, until it is measured.
_STEP_S = 0.0002
#: Seconds for which somebody counts as being there.
_THERE_S = 1.0
#: Bytes that are worked on at once, whatever they take.
_LEAST_BYTES = 1 << 10

Work = Callable[[], None]


class Turns:
    """Of one event loop."""

    def __init__(self) -> None:
        self._of: OrderedDict[str, deque[tuple[Work, float]]] = OrderedDict()
        #: Seconds that each has had in this turn; and those that are reckoned.
        self._had: defaultdict[str, float] = defaultdict(float)
        self._reckoned: defaultdict[str, float] = defaultdict(float)
        #: What an address may have had by now; and what each has had, all that it has not saved
        #: included.
        self._clock = self._turned = 0.0
        self._until: dict[str, float] = {}
        self._busy = self._due = False
        self._timer: asyncio.TimerHandle | None = None
        #: Who has come in this period, and in the one before.
        self._here: set[str] = set()
        self._before: set[str] = set()
        self._ends = 0.0
        #: Whether there is one address only, which has all of the loop.
        self.is_alone = True

    def do(self, who: str, work: Work, step_s: float = 0.0) -> None:
        """Call `work`: at once, or where `who` has had its share in a later turn, in order.

        `step_s`: seconds that what follows may take.
        """
        self._note(who)
        if self._has_turn(who):
            self._call(who, work, step_s)
        else:
            self._of.setdefault(who, deque()).append((work, step_s))
        self._go_on()

    def may(self, who: str) -> bool:
        """Whether `who` has something of this turn left, and nothing waits for a later one."""
        self._note(who)
        return who not in self._of and self._may(who)

    async def wait(self, who: str) -> None:
        """Return when it is `who`'s turn."""
        self._note(who)
        if self._has_turn(who):
            self._reckoned[who] += _STEP_S
            self._go_on()
            return
        turn = asyncio.get_running_loop().create_future()
        self.do(who, lambda: None if turn.done() else turn.set_result(None), _STEP_S)
        await turn

    def count(self, who: str, work: Coroutine[Any, Any, None]) -> "Counted":
        """Awaited, it is `work`, whose steps are of what `who` may have."""
        return Counted(self, who, work)

    def spent(self, who: str, seconds: float) -> None:
        """`who` has had so much of the loop."""
        if not self.is_alone:
            self._had[who] += seconds
            since = max(self._until.get(who, 0.0), self._clock - _SAVED_S)
            self._until[who] = since + seconds

    def _note(self, who: str) -> None:
        now = monotonic()
        if 0 < self._turned < now - _IDLE_S and not (self._due or self._of):
            self._clock += _PART * (now - self._turned)
            self._turned = now
        if now > self._ends:
            self._before = self._here if now < self._ends + _THERE_S else set()
            self._here, self._ends = set(), now + _THERE_S
            saved = self._clock - _SAVED_S
            self._until = {each: until for each, until in self._until.items() if until > saved}
        elif who in self._here:
            return
        self._here.add(who)
        self.is_alone = len(self._here) == 1 and self._before <= self._here

    def _has_turn(self, who: str) -> bool:
        return not self._busy and who not in self._of and self._may(who)

    def _may(self, who: str) -> bool:
        if self.is_alone:
            return self._had[who] + self._reckoned[who] < _ALONE_S
        return self._had[who] + self._reckoned[who] < _SHARE_S and self._has_left(who)

    def _has_left(self, who: str) -> bool:
        """Whether it has had less than it may beside others."""
        return self._until.get(who, 0.0) <= self._clock

    def _go_on(self) -> None:
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._due, now = False, monotonic()
        self._clock += min(_PART * (now - self._turned), _MOST_PASSED_S)
        self._turned = now
        self._had.clear()
        self._reckoned.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._of:
            self._call_those_who_wait()

    def _call_those_who_wait(self) -> None:
        begun = thread_time()
        try:
            for who in list(self._of):
                queue = self._of[who]
                while queue and self._may(who):
                    self._call(who, *queue.popleft())
                if not queue:
                    del self._of[who]
                else:
                    # Behind those that this turn may not come to.
                    self._of.move_to_end(who)
                if thread_time() - begun + sum(self._reckoned.values()) > _MOST_S:
                    break
        finally:
            if self._of:
                self._wait()

    def _wait(self) -> None:
        """For the next turn in which somebody may have something."""
        if self.is_alone or any(map(self._has_left, self._of)):
            self._go_on()
        else:
            self._timer = asyncio.get_running_loop().call_later(_WAIT_S, self._turn)

    def _call(self, who: str, work: Work, step_s: float) -> None:
        begun, self._busy = thread_time(), True
        try:
            work()
        finally:
            self._busy = False
            self._reckoned[who] += step_s
            took = thread_time() - begun
            if self.is_alone:
                self._had[who] += took
            else:
                self.spent(who, took)


class Counted:
    """Work of one address that is done in steps, each of which is measured."""

    def __init__(self, turns: Turns, who: str, work: Coroutine[Any, Any, None]) -> None:
        self._turns, self._who, self._work = turns, who, work

    def __await__(self) -> Generator[Any, Any, None]:
        return self

    def __iter__(self) -> "Counted":
        return self

    def __next__(self) -> Any:
        return self._step(self._work.send, None)

    def send(self, value: Any) -> Any:
        return self._step(self._work.send, value)

    def throw(self, *error: Any) -> Any:
        return self._step(self._work.throw, *error)

    def _step(self, go_on: Callable[..., Any], *given: Any) -> Any:
        if self._turns.is_alone:
            return go_on(*given)
        begun = thread_time()
        try:
            return go_on(*given)
        finally:
            self._turns.spent(self._who, thread_time() - begun)

    def close(self) -> None:
        self._work.close()


class Slices:
    """How many bytes to work on at once: as many as take a part of a share, which depends on what
    they are; `first`, and of bytes that are plain `most`."""

    def __init__(self, first: int, most: int) -> None:
        self._size, self._most = first, most
        self._begun = 0.0

    def begin(self, left: int) -> int:
        """How many now, of so many that are left."""
        # What is done in one go says nothing about others.
        self._begun = thread_time() if left > self._size else 0.0
        return self._size

    def end(self) -> None:
        """They are done."""
        if not self._begun:
            return
        took = thread_time() - self._begun
        if took > _SHARE_S / 2:
            self._size = max(_LEAST_BYTES, self._size // 2)
        elif took < _SHARE_S / 8:
            self._size = min(self._most, self._size * 2)


#: Of this process.
turns = Turns()
