"""A second look: captchas of whose answer one model is unsure are read by another one, too, in the
same pass, and answered by the mean of what both see.

A small network in front of a large one costs little more than the small one, where that is mostly
sure, and is nearly as often right as both.
"""

from collections.abc import Sequence
from typing import Any, Final

from models.engines.base import Engine, NetworkSession
from models.recognition.crops import Crops
from tilefleet.answer import Answer
from tilefleet.errors import ModelError

#: An answer that is less confident is looked at again.
UNSURE: Final = 0.9


class SecondLook:
    """Two engines of one kind of captcha."""

    def __init__(self, first: Engine, second: Engine) -> None:
        """Raises ModelError for models that read different captchas."""
        if first.kind != second.kind:
            raise ModelError(
                f"TILEFLEET_SECOND_LOOK={second.model} reads {second.kind}; "
                f"{first.model} reads {first.kind}"
            )
        self._first, self._second = first, second
        self.model = first.model
        self.kind = first.kind
        self.precision = f"{first.precision}; second look {second.model}, {second.precision}"
        self.max_batch = min(first.max_batch, second.max_batch)
        self.max_sessions = first.max_sessions
        self.in_cycles = first.in_cycles or second.in_cycles
        self.tile_cache = getattr(first, "tile_cache", None)

    def prepare(self, data: object) -> Any:
        return self._first.prepare(data)

    def session(self) -> "SecondSession":
        return SecondSession(self._first.session(), self._second.session())


class SecondSession:
    """A session of each."""

    def __init__(self, first: Any, second: Any) -> None:
        self._first: NetworkSession = first
        self._second: NetworkSession = second
        self._both = f"{first.model}+{second.model}"

    def read(self, batch: Sequence[Crops]) -> list[Answer]:
        words, tiles = self._first.look(batch)
        answers = [
            self._first.decided(crops, word, labels, model=self._first.model)
            for crops, word, labels in zip(batch, words, tiles, strict=True)
        ]
        unsure = [row for row, answer in enumerate(answers) if answer.confidence < UNSURE]
        if unsure:
            seen = self._second.look([batch[row] for row in unsure])
            for row, word, labels in zip(unsure, *seen, strict=True):
                mean = (words[row] + word) / 2, (tiles[row] + labels) / 2
                answers[row] = self._first.decided(batch[row], *mean, model=self._both)
        return answers
