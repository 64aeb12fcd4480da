"""Probabilities to an answer: which set of tiles is most probably the right one.

Taking each tile's most probable label and comparing it with the word loses captchas, because it
ignores what is known about the whole: every word has at least one tile, mostly two. So every
assignment of the tiles to {no word, first word, second word} is weighed with Bayes' rule,

    P(assignment | pictures) ∝ P(assignment) · ∏ P(tile's class | picture) / P(class),

where a network trained on all labels alike has P(class) = 1/labels for a word and the rest for
"another thing", and P(assignment) is how often a word has that many tiles (the kind's
`tiles_per_word`), spread evenly over the tiles. The weights of the assignments that pick the same
tiles are added; the largest sum wins, and its share is the probability that the picks are right if
the words are. All sets of tiles are weighed; for two words, the sum over all ways to deal a set's
tiles out to them is a polynomial's coefficients, which grow tile by tile.

The same sum over all assignments, beside what it would be if no tile had to do with the words, is
how much the tiles speak for the header that was read,

    P(header right | pictures) / P(not) = P(header right | its picture) / P(not) · (Σ …) ^ 0.6,

so that a word that no tile shows is doubted, and a noisy header whose words tiles show is not. The
power is below 1 because a network's doubts of eight tiles are not independent; this one made the
right picks of the captchas most probable that networks are calibrated on (of 2016 to 2020). It says
nothing of which words are read: tiles that were misread would take clear headers for others.
"""

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from models.recognition.place import Place
from tilefleet.answer import Answer, Reading
from tilefleet.kind import Kind

Probabilities = NDArray[np.float32]

#: Networks are never this sure: keeps quotients finite and one wild tile from deciding alone.
_LEAST = 1e-5
#: With this probability or less, or all but this, a tile is decided.
_DECIDED = 0.01
#: How much tiles speak for a header, and how much likelier they make it at the most: no tiles make
#: a word of nothing.
_POWER, _MOST = 0.6, 30.0


def decide(
    words: Probabilities,
    tiles: Probabilities,
    *,
    kind: Kind,
    model: str,
    sharpness: float = 1.0,
    place: Place | None = None,
) -> Answer:
    """Build the answer of one captcha.

    `words` is float32 (words, labels + 1): first and second word, the last class meaning none;
    `tiles` is float32 (tiles, labels). Each row sums to 1. `sharpness` is how the answer's
    confidence is calibrated (`sharpened`); it changes no pick. `place`: where in the picture the
    captcha was found, if it is not the picture.
    """
    (answer,) = decide_all(
        words[np.newaxis],
        tiles[np.newaxis],
        kind=kind,
        model=model,
        sharpness=sharpness,
        places=[place],
    )
    return answer


def decide_all(
    words: Probabilities,
    tiles: Probabilities,
    *,
    kind: Kind,
    model: str,
    sharpness: float = 1.0,
    places: Sequence[Place | None],
) -> list[Answer]:
    """The answers of several, (n, …) each, to the last bit what each of them gets alone: a decision
    is many small steps, and a step takes as long for some as for one."""
    asked = _read_words(words, kind.none)
    picked = _pick_all([[word for word, _ in read] for read, _ in asked], tiles, kind)
    shown = map(zip, tiles.argmax(axis=2).tolist(), tiles.max(axis=2).tolist())
    labels, answers = kind.labels, []
    for (read, sure), (picks, evidence, share), each, place in zip(
        asked, picked, shown, places, strict=True
    ):
        confidence = sharpened(_supported(sure, evidence) * share, sharpness)
        if place is None:
            points, grid = kind.layout.points, kind.grid
        else:
            points, grid = place.points, place.grid
            confidence *= place.certainty
        answers.append(
            Answer(
                words=tuple([Reading(labels[word], sure) for word, sure in read]),
                tiles=tuple([Reading(labels[label], sure) for label, sure in each]),
                picks=picks,
                points=tuple([points[pick - 1] for pick in picks]),
                confidence=confidence,
                model=model,
                grid=grid,
            )
        )
    return answers


def undecided(words: Probabilities, tiles: Probabilities, *, kind: Kind) -> NDArray[np.bool_]:
    """Which tiles another look could decide, bool (tiles,): those that are picked with a
    probability of 1 to 99 %. Takes what `decide` takes."""
    ((asked, _),) = _read_words(words[np.newaxis], kind.none)
    picked = posterior(tiles[:, sorted({word for word, _ in asked})], kind) @ _sets(len(tiles))
    return np.asarray((picked > _DECIDED) & (picked < 1 - _DECIDED))


def sharpened(confidence: float, sharpness: float) -> float:
    """The confidence with its odds raised to this power: nearer to 0 or 1 above 1, nearer to one
    half below. (Platt's scaling without an offset: one half stays one half.)"""
    # Softmax in float32 may be a digit above 1.
    confidence = min(confidence, 1.0)
    sure, unsure = confidence**sharpness, (1 - confidence) ** sharpness
    return float(sure / (sure + unsure))


def _read_words(words: Probabilities, none: int) -> list[tuple[list[tuple[int, float]], float]]:
    """Of each header, float32 (n, words, labels + 1): its words with their probabilities, and the
    probability that all are right."""
    most = words.argmax(axis=2)
    most[:, 0] = words[:, 0, :none].argmax(axis=1)
    count, places = most.shape
    sure = words[np.arange(count)[:, np.newaxis], np.arange(places), most]
    together = np.multiply.reduce(sure, axis=1).tolist()
    read = []
    for (first, *others), probability in zip(
        map(zip, most.tolist(), sure.tolist()), together, strict=True
    ):
        read.append(([first, *(each for each in others if each[0] != none)], probability))
    return read


def _supported(confidence: float, evidence: float) -> float:
    """That the words are right, if tiles are so many times likelier with them than without."""
    supported = confidence * min(evidence**_POWER, _MOST)
    return supported / (supported + max(1 - confidence, 0.0)) if supported else 0.0


def _pick_all(
    asked: Sequence[Sequence[int]], tiles: Probabilities, kind: Kind
) -> list[tuple[tuple[int, ...], float, float]]:
    """Of each captcha, given its words and float32 (n, tiles, labels): the most probable set of
    picks, how much the tiles speak for the words, and how probable the set is."""
    wanted = [sorted(set(words)) for words in asked]
    picks = _picks(tiles.shape[1])
    found: dict[int, tuple[tuple[int, ...], float, float]] = {}
    for count in set(map(len, wanted)):
        rows = [row for row, words in enumerate(wanted) if len(words) == count]
        columns = np.array([wanted[row] for row in rows])
        weights = _weights(tiles[np.array(rows)[:, np.newaxis], :, columns], kind)
        sums = np.add.reduce(weights, axis=1)
        shares = np.maximum.reduce(weights, axis=1) / sums
        best = weights.argmax(axis=1)
        for row, *each in zip(rows, best.tolist(), sums.tolist(), shares.tolist(), strict=True):
            found[row] = (picks[each[0]], each[1], each[2])
    return [found[row] for row in range(len(wanted))]


def posterior(matches: Probabilities, kind: Kind) -> NDArray[np.float64]:
    """The probability of each set of picks, float64 (2 ** tiles,), tile 1 in bit 0, summing to 1.

    `matches` is float32 (tiles, words): the probability of each tile to show each of the words, one
    or two, that are asked for.
    """
    (weights,) = _weights(matches.T[np.newaxis], kind)
    return np.asarray(weights / weights.sum(), np.float64)


def _weights(matches: Probabilities, kind: Kind) -> NDArray[np.float64]:
    """The same of several, given float32 (n, words, tiles), and summing to how much likelier the
    pictures are if these words are asked for than if no tile has to do with them.

    Every step gives each of several what it gives one alone, which BLAS would not.
    """
    words = matches.shape[1]
    shown = np.minimum(np.maximum(matches, _LEAST, dtype=np.float64), 1 - _LEAST)
    other = np.minimum(np.maximum(1 - np.add.reduce(shown, axis=1), _LEAST), 1)
    each = 1 / len(kind.labels)
    # How much likelier the picture is if it shows another thing than if anything is as likely; and
    # if it shows the word than if it shows another thing.
    other /= 1 - words * each
    odds = (shown / each) / other[:, np.newaxis]
    if words == 1:
        weights = _together(odds[:, 0]) * _one_word(kind.tiles_per_word)
    else:
        weights = np.add.reduce(_dealt(odds) * _two_words(kind.tiles_per_word), axis=2)
    weights *= np.multiply.reduce(other, axis=1, keepdims=True)
    return weights


def _together(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of float64 (n, tiles): for each set of tiles, the product of theirs; (n, 2 ** tiles)."""
    count, tiles = odds.shape
    products = np.ones((count, 1 << tiles))
    for tile in range(tiles):
        sets = 1 << tile
        np.multiply(products[:, :sets], odds[:, tile, None], out=products[:, sets : 2 * sets])
    return products


def _dealt(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of float64 (n, 2, tiles): for each set of tiles, and for k from 0 to all, the sum over the
    ways to deal k of the set to the first word and the rest to the second;
    (n, 2 ** tiles, tiles + 1)."""
    count, _, tiles = odds.shape
    ways = np.zeros((count, 1 << tiles, tiles + 1))
    ways[:, 0, 0] = 1.0
    for tile in range(tiles):
        sets = 1 << tile
        first, second = (odds[:, word, tile, None, None] for word in (0, 1))
        without = ways[:, :sets]
        ways[:, sets : 2 * sets] = without * second
        ways[:, sets : 2 * sets, 1:] += without[:, :, :-1] * first
    return ways


@cache
def _picks(tiles: int) -> list[tuple[int, ...]]:
    """The numbers of the tiles that are in each set."""
    return [
        tuple(tile + 1 for tile in range(tiles) if number >> tile & 1)
        for number in range(1 << tiles)
    ]


@cache
def _sets(tiles: int) -> NDArray[np.float64]:
    """float64 (2 ** tiles, tiles): which tiles are in each set."""
    return (np.arange(1 << tiles)[:, np.newaxis] >> np.arange(tiles) & 1).astype(np.float64)


@cache
def _one_word(shares: tuple[float, ...]) -> NDArray[np.float64]:
    """float64 (2 ** tiles,): P(assignment) for each set of tiles that show the word."""
    tiles = len(shares)
    each = [0.0, *(share / math.comb(tiles, k) for k, share in enumerate(shares, 1))]
    return np.array(each)[_sizes(tiles)]


@cache
def _two_words(shares: tuple[float, ...]) -> NDArray[np.float64]:
    """float64 (2 ** tiles, tiles + 1): P(assignment) for each set, k of it showing the first."""
    tiles = len(shares)
    each = np.zeros((tiles + 1, tiles + 1))
    for size in range(2, tiles + 1):
        for first in range(1, size):
            ways = math.comb(tiles, size) * math.comb(size, first)
            each[size, first] = shares[first - 1] * shares[size - first - 1] / ways
    return np.asarray(each[_sizes(tiles)])


def _sizes(tiles: int) -> list[int]:
    return [number.bit_count() for number in range(1 << tiles)]
