"""Answers at once without looking: it is there to measure the queue around it."""

from collections.abc import Sequence

from tilefleet.answer import Answer, Reading
from tilefleet.kind import BUILTIN

MAX_BATCH = 64

_ANSWER = Answer(
    words=(Reading(BUILTIN.labels[0], 0.0),),
    tiles=tuple(Reading(label, 0.0) for label in BUILTIN.labels[: BUILTIN.layout.count]),
    picks=(1,),
    points=BUILTIN.layout.points[:1],
    confidence=0.0,
    model="null",
    grid=BUILTIN.grid,
)


class NullEngine:
    """Takes anything, gives the same answer; engine and session in one."""

    kind = BUILTIN
    model = "null"
    precision = "nothing"
    max_sessions = 0
    in_cycles = False

    def __init__(self, *, max_batch: int = 0) -> None:
        self.max_batch = max_batch or MAX_BATCH

    def prepare(self, data: object) -> None:
        return None

    def session(self) -> "NullEngine":
        return self

    def read(self, batch: Sequence[object]) -> list[Answer]:
        return [_ANSWER for _ in batch]
