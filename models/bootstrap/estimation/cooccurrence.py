"""Words and groups to labels: the co-occurrence model, its rates written out.

Every group of tiles has one label out of many, all alike at first, or as a network sees them. A
captcha whose header says W
  - was chosen for another word, or was misread, with the rate `header_errors[b]`, b by how sure the
    words network is of W: then W is on its tiles no more often than any other label;
  - otherwise shows W on k of its tiles with the rate `tiles_per_word[k - 1]`, on whichever k, and
    any other label on the rest.
So what a header tells about one tile depends on the others: where three of them show W already,
a fourth hardly does; where none of seven can, the eighth must. Each captcha sends each tile's group
a message, the log odds that this tile shows W given what all other captchas tell about the other
seven (sum-product on the factor graph of captchas and groups; Kschischang, Frey and Loeliger,
"Factor graphs and the sum-product algorithm", 2001); a group adds up its messages. After each
exchange the rates are estimated anew from what is believed then (EM).
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.bootstrap.estimation.agreement import agree
from models.bootstrap.estimation.beliefs import MOST, Beliefs, Rates, Sightings
from models.bootstrap.estimation.counts import Floats, count_tiles, factors

#: Exchanges of messages at most, and the share of an old message that stays in a new one.
_EXCHANGES = 25
_DAMPING = 0.4
#: The mean log probability of the held-out words must grow by this much an exchange; without
#: held-out ones, beliefs must move by this much on average.
_GAIN = 1e-3
#: Beliefs are never surer than this, so that no message is infinite.
_LEAST = 1e-7
#: How sure the words network is of a header's word, in steps with an error rate of their own: so
#: its confidence need not be calibrated.
_STEPS = (0.4, 0.7, 0.9)
#: Captchas handled at once: bounds the memory.
_AT_ONCE = 20_000
#: What the estimated rates begin with, as that many captchas seen before.
_PRIOR_WEIGHT = 20.0


def fit(
    seen: Sightings,
    groups: int,
    *,
    prior: NDArray[np.float32] | None = None,
    held_out: Sightings | None = None,
    rates: Rates | None = None,
    tick: Callable[[int, float], None] | None = None,
) -> Beliefs:
    """Estimate labels of `groups` groups.

    `prior`: float32 (groups, labels), the log probability of each label before any header; alike if
    not given. With `held_out` captchas the exchange of messages ends when these agree no better;
    without, after as many as it takes for the beliefs to settle. `tick` is told after each
    exchange its number and the agreement.
    """
    start = Rates.of(seen.kind)
    rates = rates or start
    parts = [_Part(seen, words) for words in (1, 2)]
    base = np.zeros((groups, len(seen.kind.labels))) if prior is None else prior.astype(np.float64)
    best: Beliefs | None = None
    before = _normalised(base)
    for exchange in range(1, _EXCHANGES + 1):
        beliefs = _log_beliefs(base, parts)
        estimated = [part.exchange(beliefs, rates, first=exchange == 1) for part in parts]
        rates, wrong_words = _estimate(estimated, start)
        labels = _normalised(_log_beliefs(base, parts))
        if held_out is None:
            settled = float(np.abs(labels - before).max(axis=1).mean()) < _GAIN
            best = Beliefs(labels, rates, np.nan, np.nan, exchange, wrong_words)
        else:
            log_agreement, agreement = agree(held_out, labels, rates, wrong_words)
            settled = best is not None and log_agreement < best.log_agreement + _GAIN
            if best is None or log_agreement > best.log_agreement:
                best = Beliefs(labels, rates, log_agreement, agreement, exchange, wrong_words)
        if tick:
            tick(exchange, best.agreement)
        if settled:
            break
        before = labels
    assert best is not None
    return best


class _Part:
    """The captchas with one word, or those with two, and the messages they sent last."""

    def __init__(self, seen: Sightings, words: int) -> None:
        two = (seen.words[:, 1] != seen.kind.none) & (seen.words[:, 1] != seen.words[:, 0])
        chosen = two if words == 2 else ~two
        self._words = words
        self._labels = len(seen.kind.labels)
        self._groups = seen.groups[chosen]
        self._asked = seen.words[chosen, :words].astype(np.int64)
        self._step = np.searchsorted(_STEPS, seen.confidence[chosen, :words])
        #: float64 (n, tiles, words): log odds that the tile shows the word.
        self.messages = np.zeros((*self._groups.shape, words))

    def add_to(self, flat: Floats) -> None:
        """Add the messages to log beliefs, (groups · labels)."""
        cells = self._groups[:, :, None].astype(np.int64) * self._labels + self._asked[:, None, :]
        flat += np.bincount(cells.ravel(), self.messages.ravel(), minlength=len(flat))

    def exchange(
        self, beliefs: Floats, rates: Rates, *, first: bool
    ) -> tuple[Floats, Floats, Floats]:
        """Send new messages. Returns the expected numbers of wrong words and of all words, by how
        sure the words network is, and how many words have 1 … MOST tiles."""
        errors = np.array(rates.header_errors)
        wrong, counts = np.zeros(len(errors)), np.zeros(MOST)
        # (groups,): what turns log beliefs into log probabilities.
        top = beliefs.max(axis=1)
        totals = top + np.log(np.exp(beliefs - top[:, None]).sum(axis=1))
        for start in range(0, len(self._groups), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            groups, sent = self._groups[part], self.messages[part]
            asked = self._asked[part]
            shown = np.exp(beliefs[groups[:, :, None], asked[:, None, :]] - totals[groups, None])
            # Without what this captcha told before: it must not hear its own words again.
            rest = np.clip(1 - shown.sum(axis=2, keepdims=True), _LEAST, 1)
            without = shown * np.exp(-sent)
            without /= rest + without.sum(axis=2, keepdims=True)
            without = np.clip(without, _LEAST, (1 - _LEAST) / self._words)
            step = self._step[part]
            messages, wrongs, tiles = _messages(without, 1 - errors[step], rates)
            self.messages[part] = messages if first else _DAMPING * sent + (1 - _DAMPING) * messages
            wrong += np.bincount(step.ravel(), wrongs.ravel(), minlength=len(errors))
            counts += tiles
        words = np.bincount(self._step.ravel(), minlength=len(errors)).astype(np.float64)
        return wrong, words, counts


def _messages(shown: Floats, trust: Floats, rates: Rates) -> tuple[Floats, Floats, Floats]:
    """Of captchas with the same number of words.

    `shown`: (n, tiles, words), P(tile shows word) by all that others know; `trust`: (n, words),
    P(the word was asked for). Returns log odds (n, tiles, words), P(the word was not asked for),
    (n, words), and how many words have 1 … MOST tiles.
    """
    words = shown.shape[2]
    likelier = factors(trust, rates)
    messages = np.empty_like(shown)
    for tile in range(shown.shape[1]):
        others = count_tiles(np.delete(shown, tile, axis=1).swapaxes(1, 2)[:, None, :, :])[:, 0]
        # The tile shows no word, the first, or the second.
        likelihood = [(others * likelier).reshape(len(shown), -1).sum(axis=1)]
        for word in range(words):
            more = np.zeros_like(likelier)
            ahead: list[slice] = [slice(None)] * likelier.ndim
            behind = ahead.copy()
            ahead[word + 1], behind[word + 1] = slice(1, None), slice(None, -1)
            more[tuple(behind)] = likelier[tuple(ahead)]
            likelihood.append((others * more).reshape(len(shown), -1).sum(axis=1))
        for word in range(words):
            messages[:, tile, word] = np.log(
                np.maximum(likelihood[word + 1], 1e-300) / np.maximum(likelihood[0], 1e-300)
            )
    # What is believed of each captcha as a whole.
    counts = count_tiles(shown.swapaxes(1, 2)[:, None, :, :])[:, 0]
    joint = counts * likelier
    total = joint.reshape(len(shown), -1).sum(axis=1)
    wrong, tiles = np.empty_like(trust), np.zeros(MOST)
    for word in range(words):
        doubted = trust.copy()
        doubted[:, word] = 0
        without = (counts * factors(doubted, rates)).reshape(len(shown), -1).sum(axis=1)
        wrong[:, word] = (1 - trust[:, word]) * without / total
        axes = tuple(axis for axis in range(1, joint.ndim) if axis != word + 1)
        each = (joint.sum(axis=axes) if axes else joint) / total[:, None]
        tiles += each[:, 1 : MOST + 1].sum(axis=0)
    return messages, wrong, tiles


def _estimate(parts: list[tuple[Floats, Floats, Floats]], start: Rates) -> tuple[Rates, float]:
    """New rates from expected counts, with what was assumed before as a few captchas; and the
    share of wrong words."""
    wrong, words, tiles = (np.sum(each, axis=0) for each in zip(*parts, strict=True))
    errors = (wrong + _PRIOR_WEIGHT * np.array(start.header_errors)) / (words + _PRIOR_WEIGHT)
    tiles = tiles + _PRIOR_WEIGHT * np.array(start.tiles_per_word)
    rates = replace(
        start,
        header_errors=tuple(np.clip(errors, 1e-3, 0.9).tolist()),
        tiles_per_word=tuple((tiles / tiles.sum()).tolist()),
    )
    return rates, float(np.clip(wrong.sum() / words.sum(), 1e-3, 0.5))


def _log_beliefs(base: Floats, parts: list[_Part]) -> Floats:
    flat = base.ravel().copy()
    for part in parts:
        part.add_to(flat)
    return flat.reshape(base.shape)


def _normalised(log_beliefs: Floats) -> NDArray[np.float32]:
    shares = np.exp(log_beliefs - log_beliefs.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return np.asarray(shares, np.float32)
