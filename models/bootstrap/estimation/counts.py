"""How many of the tiles show a word: by what is believed of each, and how much that tells.

The tiles of a captcha are independent given their labels, so the number of those that show a word
is a sum of independent yes and no, counted tile by tile (a Poisson binomial). A word that was asked
for has 1 … MOST of them with known rates; any other has as many as chance gives. Their ratio is
what a count tells.
"""

from math import comb, factorial

import numpy as np
from numpy.typing import NDArray

from models.bootstrap.estimation.beliefs import MOST, Rates

Floats = NDArray[np.float64]


def count_tiles(shown: Floats) -> Floats:
    """How many tiles show each word.

    `shown`: (n, m, words, tiles), P(tile shows word). Returns (n, m, MOST + 2 for each word), the
    probability of each combination of counts; those above MOST + 1 are left out.
    """
    n, m, words, tiles = shown.shape
    size = MOST + 2
    counts = np.zeros((n, m, *([size] * words)))
    nothing: tuple[slice | int, ...] = (slice(None), slice(None), *([0] * words))
    counts[nothing] = 1
    for tile in range(tiles):
        each = shown[..., tile]  # (n, m, words)
        wide: tuple[slice | None, ...] = (slice(None), slice(None), *([None] * words))
        following = counts * (1 - each.sum(axis=2))[wide]
        for word in range(words):
            ahead = [slice(None)] * counts.ndim
            behind = [slice(None)] * counts.ndim
            ahead[word + 2], behind[word + 2] = slice(1, None), slice(None, -1)
            following[tuple(ahead)] += counts[tuple(behind)] * each[..., word][wide]
        counts = following
    return counts


def factors_of_one(rates: Rates) -> Floats:
    """How much likelier it is that k tiles show a word if it was asked for: (MOST + 2,)."""
    chance = 1 / rates.labels
    likelier, tiles = np.zeros(MOST + 2), rates.tiles
    for k, rate in enumerate(rates.tiles_per_word, 1):
        if k <= tiles:
            likelier[k] = rate / (comb(tiles, k) * chance**k * (1 - chance) ** (tiles - k))
    return likelier


def factors(trust: Floats, rates: Rates) -> Floats:
    """The same for all words of each captcha together, each of them asked for or not.

    `trust`: (n, words), P(the word was asked for). Returns (n, MOST + 2 for each word).
    """
    one = factors_of_one(rates)
    if trust.shape[1] == 1:
        return trust * one + (1 - trust)
    chance = 1 / rates.labels
    both = np.zeros((MOST + 2, MOST + 2))
    for a, first in enumerate(rates.tiles_per_word, 1):
        for b, second in enumerate(rates.tiles_per_word, 1):
            rest = rates.tiles - a - b
            if rest < 0:
                continue
            ways = factorial(rates.tiles) / (factorial(a) * factorial(b) * factorial(rest))
            by_chance = ways * chance ** (a + b) * (1 - 2 * chance) ** rest
            both[a, b] = first * second / by_chance
    one_asked, other_asked = trust[:, :1, None], trust[:, 1:, None]
    mixed: Floats = (
        one_asked * other_asked * both
        + one_asked * (1 - other_asked) * one[:, None]
        + (1 - one_asked) * other_asked * one[None, :]
        + (1 - one_asked) * (1 - other_asked)
    )
    return mixed
