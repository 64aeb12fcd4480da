"""A second look: captchas of whose answer one model is unsure are read by another one, too, in the
same pass, and answered by what both see.

A small network in front of a large one costs little more than the small one, where that is mostly
sure, and is nearly as often right as both. Of an unsure captcha the second one sees the header, and
those tiles only that may or may not be picked: two of eight on average.

Two networks are two witnesses of a tile: by Bayes' rule, with all labels alike beforehand,

    P(label | both) ∝ P(label | first) · P(label | second),

if they erred independently. They see the same pixels, so that the product is raised to a power
below 1. Of words the mean is taken: where both models have the same words network, or were taught
by the same drawings, a product would be sure of strange words.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from models.engines.base import Engine, NetworkSession
from models.recognition.crops import Crops
from models.recognition.decision import undecided
from models.recognition.picks import Probabilities
from tilefleet.answer import Answer
from tilefleet.errors import ModelError

#: An answer that is less confident is looked at again.
UNSURE: Final = 0.9
#: What made the right picks most probable of the captchas that networks are calibrated on (85 of
#: 2016 to 2020), with Cracking-12306's M2 behind the built-in model.
_POWER: Final = 0.8
_LEAST: Final = 1e-7


def fit(first: Engine, second: Engine) -> bool:
    """Whether two engines read the same captchas."""
    one, other = first.kind, second.kind
    return (one.labels, one.layout) == (other.labels, other.layout)


class SecondLook:
    """Two engines of one kind of captcha."""

    def __init__(self, first: Engine, second: Engine) -> None:
        """Raises ModelError for models that read different captchas."""
        if not fit(first, second):
            raise ModelError(
                f"TILEFLEET_SECOND_LOOK={second.model} reads other captchas ({second.kind}) than "
                f"{first.model} ({first.kind})"
            )
        self._first, self._second = first, second
        self.model = first.model
        self.kind = first.kind
        self.precision = f"{first.precision}; second look {second.model}, {second.precision}"
        self.max_batch = min(first.max_batch, second.max_batch)
        self.long_batch = min(first.long_batch, second.long_batch)
        self.max_sessions = first.max_sessions
        self.in_cycles = first.in_cycles or second.in_cycles
        self.tile_cache = getattr(first, "tile_cache", None)

    def prepare(self, data: object) -> Any:
        return self._first.prepare(data)

    def prepare_quickly(self, data: object) -> Any:
        return self._first.prepare_quickly(data)

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
        answers = self._first.decided(batch, words, tiles, model=self._first.model)
        unsure = [row for row, answer in enumerate(answers) if answer.confidence < UNSURE]
        if unsure:
            again = [batch[row] for row in unsure]
            both = self._look_again(again, words[unsure], tiles[unsure])
            decided = self._first.decided(again, *both, model=self._both)
            for row, answer in zip(unsure, decided, strict=True):
                answers[row] = answer
        return answers

    def _look_again(
        self, batch: Sequence[Crops], words: Probabilities, tiles: Probabilities
    ) -> tuple[Probabilities, Probabilities]:
        """What both say of captchas: of their headers, and of the tiles that are undecided."""
        headers = np.stack([crops.header for crops in batch])
        read = (words + self._second.words(headers)) / np.float32(2)
        kind = self._first.kind
        chosen = np.stack(
            [undecided(word, seen, kind=kind) for word, seen in zip(read, tiles, strict=True)]
        )
        labels = tiles.copy()
        if chosen.any():
            pictures = np.stack([crops.tiles for crops in batch])[chosen]
            labels[chosen] = agreed(tiles[chosen], self._second.tiles(pictures))
        return read, labels


def agreed(first: Probabilities, second: Probabilities) -> Probabilities:
    """What two networks see together: float32 (tiles, labels) each, and each row sums to 1."""
    one, other = (np.maximum(each.astype(np.float64), _LEAST) for each in (first, second))
    product = (one * other) ** _POWER
    shares: Probabilities = (product / product.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares
