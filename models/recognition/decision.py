"""Probabilities to an answer: which set of tiles is most probably the right one.

Taking each tile's most probable label and comparing it with the word loses captchas, because it
ignores what is known about the whole: every word has at least one tile, mostly two. So every
assignment of the eight tiles to {no word, first word, second word} is weighed with Bayes' rule,

    P(assignment | pictures) ∝ P(assignment) · ∏ P(tile's class | picture) / P(class),

where a network trained on all labels alike has P(class) = 1/80 for a word and the rest for
"another thing", and P(assignment) is how often a word has that many tiles (`TILES_PER_WORD`),
spread evenly over the tiles. The weights of the assignments that pick the same tiles are added;
the largest sum wins, and its share is the probability that the picks are right if the words are.
There are 2⁸ assignments for one word and 3⁸ for two, few enough to try them all.
"""

import math
from collections import Counter
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from tilefleet.answer import Answer, Reading
from tilefleet.geometry import POINTS
from tilefleet.labels import LABELS, NONE

Probabilities = NDArray[np.float32]

#: P(a word has k matching tiles), k = 1 to 8: relative frequencies in the answers of the 198 real
#: captchas of 2016 and 2020 that ask for one word (72, 108, 17 and 1 times for k = 1 to 4), with a
#: little for the rest.
TILES_PER_WORD = (0.357, 0.537, 0.087, 0.010, 0.005, 0.002, 0.001, 0.001)

#: Networks are never this sure: keeps logarithms finite and one wild tile from deciding alone.
_LEAST = 1e-5


@dataclass(frozen=True, slots=True)
class _Assignments:
    """All assignments of eight tiles to 0 (no word) … `words`, as rows."""

    #: float64 (rows, 8 · (words + 1)): which class each tile has, one-hot.
    one_hot: NDArray[np.float64]
    #: float64 (rows,): log P(assignment).
    log_prior: NDArray[np.float64]
    #: int64 (rows,): the picked tiles as a bit set, tile 1 in bit 0.
    picks: NDArray[np.int64]


@cache
def _assignments(words: int) -> _Assignments:
    rows, log_prior, picks = [], [], []
    for assignment in product(range(words + 1), repeat=8):
        counts = Counter(assignment)
        if not all(counts[word] for word in range(1, words + 1)):
            continue
        arrangements = math.factorial(8)
        for count in counts.values():
            arrangements //= math.factorial(count)
        prior = math.prod(TILES_PER_WORD[counts[word] - 1] for word in range(1, words + 1))
        rows.append(assignment)
        log_prior.append(math.log(prior / arrangements))
        picks.append(sum(1 << tile for tile, word in enumerate(assignment) if word))
    one_hot = np.eye(words + 1)[np.array(rows)].reshape(len(rows), -1)
    return _Assignments(one_hot, np.array(log_prior), np.array(picks))


def decide(
    words: Probabilities, tiles: Probabilities, *, model: str, sharpness: float = 1.0
) -> Answer:
    """Build the answer of one captcha.

    `words` is float32 (2, 81): first and second word, class 80 meaning none; `tiles` is float32
    (8, 80). Each row sums to 1. `sharpness` is how the answer's confidence is calibrated
    (`sharpened`); it changes no pick.
    """
    asked, words_confidence = _read_words(words)
    labels = tiles.argmax(axis=1)
    picks, picks_confidence = _pick(tiles[:, sorted({word for word, _ in asked})])
    return Answer(
        words=tuple(Reading(LABELS[word], confidence) for word, confidence in asked),
        tiles=tuple(
            Reading(LABELS[label], float(tile[label]))
            for label, tile in zip(labels, tiles, strict=True)
        ),
        picks=picks,
        points=tuple(POINTS[pick - 1] for pick in picks),
        confidence=sharpened(words_confidence * picks_confidence, sharpness),
        model=model,
    )


def sharpened(confidence: float, sharpness: float) -> float:
    """The confidence with its odds raised to this power: nearer to 0 or 1 above 1, nearer to one
    half below. (Platt's scaling without an offset: one half stays one half.)"""
    # Softmax in float32 may be a digit above 1.
    confidence = min(confidence, 1.0)
    sure, unsure = confidence**sharpness, (1 - confidence) ** sharpness
    return float(sure / (sure + unsure))


def _read_words(words: Probabilities) -> tuple[list[tuple[int, float]], float]:
    """The header's words with their probabilities, and the probability that all are right."""
    first = int(words[0, :NONE].argmax())
    second = int(words[1].argmax())
    asked = [(first, float(words[0, first]))]
    if second != NONE:
        asked.append((second, float(words[1, second])))
    return asked, float(words[0, first] * words[1, second])


def _pick(matches: Probabilities) -> tuple[tuple[int, ...], float]:
    """Choose tiles given float32 (8, words): the probability of each tile to show each word."""
    shares = posterior(matches)
    best = int(shares.argmax())
    return tuple(tile + 1 for tile in range(8) if best >> tile & 1), float(shares[best])


def posterior(matches: Probabilities) -> NDArray[np.float64]:
    """The probability of each set of picks, float64 (256,), tile 1 in bit 0, summing to 1.

    `matches` is float32 (8, words): the probability of each tile to show each of the words, one or
    two, that are asked for.
    """
    words = matches.shape[1]
    shown = np.clip(matches.astype(np.float64), _LEAST, 1 - _LEAST)
    other = np.clip(1 - shown.sum(axis=1, keepdims=True), _LEAST, 1)
    each = 1 / len(LABELS)
    evidence = np.log(np.hstack([other / (1 - words * each), shown / each]))
    table = _assignments(words)
    weights = table.one_hot @ evidence.ravel() + table.log_prior
    shares = np.bincount(table.picks, np.exp(weights - weights.max()), minlength=256)
    return np.asarray(shares / shares.sum(), np.float64)
