"""How well labels foretell headers that they were not estimated from: whether learning goes on."""

import numpy as np
from numpy.typing import NDArray

from models.bootstrap.estimation.beliefs import Rates, Sightings
from models.bootstrap.estimation.counts import count_tiles, factors_of_one


def agree(
    held_out: Sightings, labels: NDArray[np.float32], rates: Rates, wrong_words: float
) -> tuple[float, float]:
    """Of all words, which one was asked for, by the tiles alone?

    `labels`: float32 (groups, labels), P(label); `wrong_words`: share of words in headers that name
    another thing. Returns the mean log probability of the headers' words, and the share of these
    words that some tile shows, more likely than not; NaN for no words. (That share cannot reach 1
    where headers are wrong, and the first figure not 0: every tile shows something that might have
    been asked for.)
    """
    likelier = factors_of_one(rates)
    log_probabilities, hits = [], []
    for start in range(0, len(held_out), 2_000):
        part = slice(start, start + 2_000)
        # (n, tiles, labels): each tile's probability of each label.
        shown = labels[held_out.groups[part]].astype(np.float64)
        counts = count_tiles(shown.swapaxes(1, 2)[:, :, np.newaxis])  # (n, labels, MOST + 2)
        score = counts @ likelier * (1 - wrong_words) + wrong_words
        words = held_out.words[part]
        for column in range(2):
            rows = np.flatnonzero(words[:, column] != held_out.kind.none)
            if column == 1 and len(rows) == 0:
                continue
            word = words[rows, column]
            own = score[rows, word].copy()
            others = score[rows].copy()
            # The header's other word is explained by itself.
            other_word = words[rows, 1 - column]
            two = np.flatnonzero(other_word != held_out.kind.none)
            others[two, other_word[two]] = 0
            others[np.arange(len(rows)), word] = own
            log_probabilities.append(np.log(own / others.sum(axis=1)))
            absent = np.prod(1 - shown[rows, :, word], axis=1)
            hits.append(absent < 0.5)
    if not log_probabilities:
        return float("nan"), float("nan")
    return float(np.concatenate(log_probabilities).mean()), float(np.concatenate(hits).mean())
