"""How far a tiles network says what its teachers say, on tiles that none of its training saw.

A student that has learned its pictures by heart agrees on those, and on no others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.evaluation.intervals import interval
from models.recognition.crops import padded
from models.runtimes import litert
from models.store import Entry

#: A teacher whose best label is more probable than this is sure.
SURE: Final = 0.9
_LEAST: Final = 1e-7

Tiles = NDArray[np.uint8]
Probabilities = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Counts of tiles."""

    tiles: int
    #: Those of which both have the same best label.
    agree: int
    #: Those of which the teachers are sure, and of them those that agree.
    sure: int
    sure_agree: int
    #: Mean Kullback-Leibler divergence of the student's probabilities from the teachers', nats.
    divergence: float

    @classmethod
    def of(cls, student: Probabilities, teachers: Probabilities) -> "Agreement":
        """Of float32 (n, labels) each."""
        same = student.argmax(axis=1) == teachers.argmax(axis=1)
        sure = teachers.max(axis=1) > SURE
        wanted, given = (np.log(np.maximum(each, _LEAST)) for each in (teachers, student))
        divergence = (teachers * (wanted - given)).sum(axis=1)
        return cls(
            len(same),
            int(same.sum()),
            int(sure.sum()),
            int(same[sure].sum()),
            float(divergence.mean()) if len(same) else 0.0,
        )

    def __str__(self) -> str:
        return (
            f"{interval(self.agree, self.tiles)}; where sure {interval(self.sure_agree, self.sure)}"
            f"; divergence {self.divergence:.3f}"
        )


def probabilities(model: Entry, tiles: Tiles) -> Probabilities:
    """What a stored model's tiles network says of uint8 (n, h, w, 3), as it is served: float32
    (n, labels)."""
    runner = litert.load(model.read("tiles.tflite")).get_signature_runner()
    ((given, details),) = runner.get_input_details().items()
    size = int(details["shape"][0])
    parts = []
    for start in range(0, len(tiles), size):
        (shown,) = runner(**{given: padded(tiles[start : start + size], size)}).values()
        parts.append(shown)
    return np.concatenate(parts)[: len(tiles)]


def agreement(student: Entry, teachers: Sequence[Entry], tiles: Tiles) -> Agreement:
    """With the mean of the teachers' probabilities."""
    mean = np.mean([probabilities(teacher, tiles) for teacher in teachers], axis=0)
    return Agreement.of(probabilities(student, tiles), mean)
