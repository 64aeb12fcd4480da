"""How often a model is right on captchas with known answers, and whether it knows when it is."""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from models.datasets.truth import Truth
from models.engines.reader import Reader
from tilefleet.answer import Answer
from tilefleet.errors import BadRequest, TilefleetError
from tilefleet.files import read_file
from tilefleet.kind import BUILTIN

#: Confidences above which `Score` says how many answers there are and how many of them are right.
THRESHOLDS: Final = (0.5, 0.7, 0.8, 0.9, 0.95, 0.99)
#: An answer to a word that is no label should be less confident than this.
DOUBT: Final = 0.5
#: Equal bins of confidence, over which calibration is measured.
BINS: Final = 10
#: Pairs that a summary keeps.
MOST_CONFUSIONS = 8


@dataclass(frozen=True, slots=True)
class Outcome:
    """One captcha: what is right, and what the model made of it."""

    truth: Truth
    #: None if the file could not be read as a captcha.
    answer: Answer | None
    #: Decoding and one pass, milliseconds.
    ms: float
    #: How many tiles its kind of captcha has.
    tiles: int = BUILTIN.layout.count

    @property
    def words_right(self) -> bool:
        """Whether all words of the header were read, and in their order."""
        return self.answer is not None and self.truth.words == tuple(
            word.label for word in self.answer.words
        )

    @property
    def exact(self) -> bool:
        """Whether the picks are the right ones, no more and no less."""
        return self.answer is not None and self.answer.picks == self.truth.picks

    @property
    def confidence(self) -> float:
        """How probable the model says it is that the picks are right; 0 without an answer."""
        return self.answer.confidence if self.answer else 0.0

    @property
    def tiles_right(self) -> float:
        """The share of the tiles that are rightly picked or rightly left."""
        picks = self.answer.picks if self.answer else ()
        return 1 - len(set(picks) ^ set(self.truth.picks)) / self.tiles

    def seen(self) -> Iterable[tuple[str, str]]:
        """(what it shows, what the network takes it for) for tiles of a captcha with one word."""
        if self.answer is not None and len(self.truth.words) == 1:
            for pick in self.truth.picks:
                yield self.truth.words[0], self.answer.tiles[pick - 1].label


@dataclass(frozen=True, slots=True)
class Selective:
    """The answers whose confidence is at least `threshold`."""

    threshold: float
    #: Their share of all answers.
    coverage: float
    #: The share of them that is exactly right; None if there are none.
    precision: float | None


@dataclass(frozen=True, slots=True)
class Score:
    """Figures over one collection; the counts are of captchas."""

    #: Those that ask for labels and whose picks are known; the figures are about them, but for
    #: `words` and `strange`.
    captchas: int
    #: Headers that ask for labels, also where nobody knows the picks, and those read rightly.
    words: int
    words_right: int
    exact: int
    #: Share of all tiles that are rightly picked or rightly left.
    tiles_right: float
    selective: tuple[Selective, ...]
    #: Mean distance of confidence and truth over `BINS` of confidence, weighed by how many answers
    #: each has (Guo et al., "On calibration of modern neural networks", 2017).
    calibration_error: float
    #: (shown, taken for, times), most frequent first, where the tile asked for was not recognised.
    confusions: tuple[tuple[str, str, int], ...]
    #: Median of decoding and one pass.
    ms: float
    #: Captchas that ask for a word that is no label, and how many of the answers to them doubt.
    strange: int
    strange_doubted: int

    @classmethod
    def of(cls, outcomes: Sequence[Outcome]) -> Self:
        """Count; of nothing, all figures are zero."""
        # Every captcha has a pick: where none is given, nobody knows them.
        asking = [each for each in outcomes if each.truth.known]
        known = [each for each in asking if each.truth.picks]
        strange = [outcome for outcome in outcomes if not outcome.truth.known]
        exact = np.array([outcome.exact for outcome in known], bool)
        confidence = np.array([outcome.confidence for outcome in known])
        pairs = Counter(pair for outcome in known for pair in outcome.seen())
        return cls(
            captchas=len(known),
            words=len(asking),
            words_right=sum(outcome.words_right for outcome in asking),
            exact=int(exact.sum()),
            tiles_right=_mean([outcome.tiles_right for outcome in known]),
            selective=tuple(_selective(confidence, exact, level) for level in THRESHOLDS),
            calibration_error=calibration_error(confidence, exact),
            confusions=tuple(
                (shown, seen, times)
                for (shown, seen), times in pairs.most_common()
                if shown != seen
            ),
            ms=float(np.median([outcome.ms for outcome in outcomes])) if outcomes else 0.0,
            strange=len(strange),
            strange_doubted=sum(outcome.confidence < DOUBT for outcome in strange),
        )

    def encode(self) -> dict[str, Any]:
        """As plain JSON types."""
        return asdict(self)

    def summary(self) -> dict[str, Any]:
        """What a manifest keeps, as plain JSON types: counts, rounded shares, milliseconds.

        `selective` has a row for each of THRESHOLDS: the threshold, coverage, precision (or None);
        `confusions` the most frequent ones, as above.
        """
        at = next(level for level in self.selective if level.threshold == 0.9)
        figures: dict[str, Any] = {
            "captchas": self.captchas,
            "words": self.words,
            "words_right": self.words_right,
            "exact": self.exact,
            "coverage_at_0.9": round(at.coverage, 3),
            "exact_at_0.9": None if at.precision is None else round(at.precision, 3),
            "calibration_error": round(self.calibration_error, 3),
            "tiles_right": round(self.tiles_right, 3),
            "selective": [
                [
                    level.threshold,
                    round(level.coverage, 3),
                    None if level.precision is None else round(level.precision, 3),
                ]
                for level in self.selective
            ],
            "confusions": [list(pair) for pair in self.confusions[:MOST_CONFUSIONS]],
            "ms": round(self.ms, 2),
        }
        if self.strange:
            figures |= {"strange": self.strange, "strange_doubted": self.strange_doubted}
        return figures

    def __str__(self) -> str:
        return f"{self.captchas} captchas: words {self.words_right}, exact {self.exact}"


def evaluate(reader: Reader, known: Iterable[Truth]) -> Score:
    """Read each captcha and count; one that cannot be read counts as wrong."""
    return Score.of(outcomes(reader, known))


def outcomes(reader: Reader, known: Iterable[Truth]) -> list[Outcome]:
    """Read captchas one by one; raises TilefleetError for a file that is not there."""
    return [_read(reader, truth) for truth in known]


def _read(reader: Reader, truth: Truth) -> Outcome:
    try:
        data = read_file(truth.path)
    except OSError as error:
        raise TilefleetError(f"{truth.path} has a known answer, but: {error.strerror}") from None
    begun = time.perf_counter()
    try:
        answer = reader.read(data)
    except BadRequest:
        answer = None
    ms = (time.perf_counter() - begun) * 1000
    return Outcome(truth, answer, ms, reader.engine.kind.layout.count)


def calibration_error(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Expected calibration error of float64 (n,) and bool (n,)."""
    if not len(confidence):
        return 0.0
    bin_of = bins(confidence)
    apart = 0.0
    for number in np.unique(bin_of):
        chosen = bin_of == number
        apart += abs(confidence[chosen].mean() - right[chosen].mean()) * chosen.mean()
    return float(apart)


def bins(confidence: NDArray[np.float64]) -> NDArray[np.int64]:
    """int64 (n,): which of `BINS` each confidence is in, from 0."""
    return np.minimum((confidence * BINS).astype(np.int64), BINS - 1)


def _selective(
    confidence: NDArray[np.float64], exact: NDArray[np.bool_], threshold: float
) -> Selective:
    chosen = confidence >= threshold
    return Selective(
        threshold,
        coverage=_mean(chosen),
        precision=float(exact[chosen].mean()) if chosen.any() else None,
    )


def _mean(values: Sequence[float] | NDArray[Any]) -> float:
    return float(np.mean(values)) if len(values) else 0.0
