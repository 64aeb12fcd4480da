"""What the engine room has counted of the models of one name, since the worker's start."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    """A model that takes another one's place under its name goes on counting here."""

    #: Captchas that joined one with the same bytes, and those that got a kept answer.
    joined: int = 0
    kept: int = 0
    #: How many passes answered so many captchas.
    passes: Counter[int] = field(default_factory=Counter)

    @property
    def captchas(self) -> int:
        """Captchas that passes have answered."""
        return sum(size * count for size, count in dict(self.passes).items())
