"""Answers at once without looking: it is there to measure the queue around it."""

from collections.abc import Sequence
from dataclasses import replace

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
    precision = "nothing"
    max_sessions = 0
    in_cycles = False

    def __init__(self, name: str = "", *, max_batch: int = 0) -> None:
        """`name`: of the model that it stands for, where there are several."""
        self.model = f"{name}@null" if name else "null"
        self.max_batch = self.long_batch = max_batch or MAX_BATCH
        self._answer = replace(_ANSWER, model=self.model)

    def prepare(self, data: object) -> None:
        return None

    def prepare_quickly(self, data: object) -> None:
        return self.prepare(data)

    def session(self) -> "NullEngine":
        return self

    def read(self, batch: Sequence[object]) -> list[Answer]:
        return [self._answer for _ in batch]
