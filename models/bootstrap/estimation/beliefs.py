"""What the co-occurrence model is given, what it knows in general, and what it comes to believe."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tilefleet.kind import BUILTIN, Kind

#: Most tiles that show one word.
MOST = 4


@dataclass(frozen=True, slots=True)
class Sightings:
    """What was seen: captchas as groups and words."""

    #: int32 (captchas, tiles): the group of each tile.
    groups: NDArray[np.int32]
    #: int16 (captchas, 2): the header's words as read; the kind's `none` for no second one.
    words: NDArray[np.int16]
    #: float (captchas, 2): how sure the words network is of each.
    confidence: NDArray[np.float64]
    kind: Kind = BUILTIN

    def __len__(self) -> int:
        return len(self.groups)

    def only(self, chosen: NDArray[np.bool_]) -> "Sightings":
        """Those of the captchas of a mask, bool (captchas,)."""
        return Sightings(
            self.groups[chosen], self.words[chosen], self.confidence[chosen], self.kind
        )


@dataclass(frozen=True, slots=True)
class Rates:
    """What the model knows about captchas in general."""

    #: Share of words that name another thing or were misread, by how sure the words network is.
    header_errors: tuple[float, ...] = (0.4, 0.15, 0.05, 0.02)
    #: Share of words with 1 … MOST tiles.
    tiles_per_word: tuple[float, ...] = tuple(
        rate / sum(BUILTIN.tiles_per_word[:MOST]) for rate in BUILTIN.tiles_per_word[:MOST]
    )
    #: Of how many tiles and labels.
    tiles: int = BUILTIN.layout.count
    labels: int = len(BUILTIN.labels)

    @classmethod
    def of(cls, kind: Kind) -> "Rates":
        """What is assumed of a kind before anything is seen."""
        most = min(MOST, kind.layout.count)
        shares = kind.tiles_per_word[:most]
        each = tuple(share / sum(shares) for share in shares) + (1e-6,) * (MOST - most)
        return cls(tiles_per_word=each, tiles=kind.layout.count, labels=len(kind.labels))


@dataclass(frozen=True, slots=True)
class Beliefs:
    """What came out."""

    #: float32 (groups, labels): P(label).
    labels: NDArray[np.float32]
    rates: Rates
    #: Of the held-out headers' words: mean log probability by the tiles, and share that the tiles
    #: show; NaN if nothing was held out.
    log_agreement: float
    agreement: float
    exchanges: int
    #: Share of all words in headers that name another thing or were misread.
    wrong_words: float

    def __str__(self) -> str:
        return (
            f"held-out headers: word on the tiles {self.agreement:.3f}, "
            f"log probability {self.log_agreement:.3f}"
        )
