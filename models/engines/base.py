"""What an engine is: something that prepares images, and sessions that read prepared ones.

Preparing (decoding, cutting) runs on any thread, and what is prepared fits every model of an
engine. A session is used by one thread at a time, so that runtimes whose calls may not overlap need
no lock.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models.recognition.crops import Crops
from models.recognition.decision import decide_all
from models.recognition.picks import Probabilities
from tilefleet.answer import Answer
from tilefleet.kind import Kind


class Session(Protocol):
    """One thread's way into an engine."""

    def read(self, batch: Sequence[Any]) -> list[Answer]:
        """One pass: an answer for each prepared image, in order; at most `long_batch` of them."""


class Engine(Protocol):
    """A model in a runtime."""

    #: What it reads.
    kind: Kind
    #: ``name@identity`` of the model.
    model: str
    #: What its networks compute in, for people.
    precision: str
    #: Most captchas in one pass that this engine is fast with.
    max_batch: int
    #: Most captchas in one pass while others wait for as long anyway: no fewer.
    long_batch: int
    #: Most sessions that make sense side by side; 0: as many as there are cores.
    max_sessions: int
    #: Whether its parts refer to each other in circles, so that only the collector frees it.
    in_cycles: bool

    def prepare(self, data: object) -> Any:
        """Image bytes to what `Session.read` takes; raises BadRequest."""

    def prepare_quickly(self, data: object) -> Any:
        """The same; raises TakesLong where a captcha is to be looked for in a large picture."""

    def session(self) -> Session:
        """A new session, warm: its first pass takes no longer than any other."""


class NetworkSession(ABC):
    """A session over two networks, `words` and `tiles`; answers by the decision."""

    def __init__(self, model: str, kind: Kind, *, sharpness: float) -> None:
        """`sharpness`: see `models.recognition.decision.sharpened`."""
        self.model = model
        self.kind = kind
        self._sharpness = sharpness

    @abstractmethod
    def words(self, headers: NDArray[np.uint8]) -> Probabilities:
        """uint8 (n, h, w, 3) → float32 (n, words, labels + 1); at most `long_batch` of them."""

    @abstractmethod
    def tiles(self, tiles: NDArray[np.uint8]) -> Probabilities:
        """uint8 (n, h, w, 3) → float32 (n, labels); at most those of `long_batch` captchas."""

    def read(self, batch: Sequence[Crops]) -> list[Answer]:
        return self.decided(batch, *self.look(batch), model=self.model)

    def look(self, batch: Sequence[Crops]) -> tuple[Probabilities, Probabilities]:
        """What the networks say of each captcha, float32 (n, words, labels + 1) and
        (n, tiles, labels)."""
        words = self.words(np.stack([crops.header for crops in batch]))
        labels = self.tiles(np.concatenate([crops.tiles for crops in batch]))
        return words, labels.reshape(len(batch), self.kind.layout.count, -1)

    def decided(
        self, batch: Sequence[Crops], words: Probabilities, labels: Probabilities, *, model: str
    ) -> list[Answer]:
        """The answers to what `look` has said, as `model` gives them."""
        return decide_all(
            words,
            labels,
            kind=self.kind,
            model=model,
            sharpness=self._sharpness,
            places=[crops.place for crops in batch],
        )
