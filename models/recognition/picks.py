"""Which set of tiles is most probably the right one, given a header's words.

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
"""

import math
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tilefleet.kind import Kind

Probabilities = NDArray[np.float32]

#: Networks are never this sure: keeps quotients finite and one wild tile from deciding alone.
_LEAST = 1e-5
#: Sets of tiles that are weighed at once, of several captchas: their weights stay in the caches;
#: those of sixteen tiles take nine megabytes for each captcha.
_MOST_SETS = 1 << 13


class Picked(NamedTuple):
    """The most probable set of one captcha."""

    #: The tiles' numbers, from 1.
    picks: tuple[int, ...]
    #: How much likelier the pictures are if these words are asked for than if no tile has to do
    #: with them.
    evidence: float
    #: How probable the set is, if the words are right.
    confidence: float


def pick_all(asked: Sequence[Sequence[int]], tiles: Probabilities, kind: Kind) -> list[Picked]:
    """The most probable set of each captcha, given its words and float32 (n, tiles, labels)."""
    wanted = [sorted(set(words)) for words in asked]
    found: dict[int, Picked] = {}
    for rows in _parts(wanted, max(1, _MOST_SETS >> tiles.shape[1])):
        columns = np.array([wanted[row] for row in rows])
        weights = _weights(tiles[np.array(rows)[:, np.newaxis], :, columns], kind)
        sums = np.add.reduce(weights, axis=1)
        shares = np.maximum.reduce(weights, axis=1) / sums
        best = weights.argmax(axis=1)
        for row, *each in zip(rows, best.tolist(), sums.tolist(), shares.tolist(), strict=True):
            found[row] = Picked(_numbers(each[0]), each[1], each[2])
    return [found[row] for row in range(len(wanted))]


def _parts(wanted: Sequence[Sequence[int]], most: int) -> Iterator[list[int]]:
    """The numbers of those that have as many words as each other, up to so many at once."""
    for count in set(map(len, wanted)):
        rows = [row for row, words in enumerate(wanted) if len(words) == count]
        for start in range(0, len(rows), most):
            yield rows[start : start + most]


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
def _numbers(tiles: int) -> tuple[int, ...]:
    """Of the tiles in a set, tile 1 in bit 0."""
    return tuple(tile + 1 for tile in range(tiles.bit_length()) if tiles >> tile & 1)


@cache
def membership(tiles: int) -> NDArray[np.float64]:
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
