"""Making a network as sure as it is right: one temperature for its scores, and a sharpness for the
confidence of whole answers.

A trained network ranks well but is too sure or, taught by softened targets, not sure enough.
Dividing its scores by the temperature that makes held-out truths most probable mends that without
changing a single arg-max (Guo et al., "On calibration of modern neural networks", 2017). The
temperature goes into the weights of the last layer: nothing is left to do when reading.
"""

from collections.abc import Iterator, Sequence

import keras
import numpy as np
from numpy.typing import NDArray

from models.drawing.strips import UNKNOWN
from models.recognition.picks import posterior
from tilefleet.kind import BUILTIN, Kind

#: Temperatures that are tried, and sharpnesses.
TEMPERATURES = np.geomspace(0.25, 4, 81)
_LEAST = 1e-9

Scores = NDArray[np.float64]


def of_tiles(
    tiles: NDArray[np.float32],
    asked: Sequence[Sequence[int]],
    picks: Sequence[Sequence[int]],
    kind: Kind = BUILTIN,
) -> Scores:
    """The negative log-likelihood (NLL) of the right picks for each temperature.

    Returns float64 (captchas, temperatures).

    `tiles` is float32 (captchas, tiles, labels); `asked` and `picks` are the classes of each
    header's words and the right tiles, from 1.
    """
    logarithms = np.log(np.maximum(tiles.astype(np.float64), _LEAST))
    right = [sum(1 << (pick - 1) for pick in chosen) for chosen in picks]
    nll = np.empty((len(tiles), len(TEMPERATURES)))
    for column, temperature in enumerate(TEMPERATURES):
        powers = np.exp(logarithms / temperature)
        scaled = (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32)
        for row, (words, chosen) in enumerate(zip(asked, right, strict=True)):
            probability = posterior(scaled[row][:, sorted(set(words))], kind)[chosen]
            nll[row, column] = -np.log(max(probability, _LEAST))
    return nll


def of_words(words: NDArray[np.float32], labels: NDArray[np.int16]) -> Scores:
    """The same for headers: `words` is float32 (headers, words, labels + 1), `labels` int16
    (headers, words).

    What is UNKNOWN should be taken for any of the labels alike.
    """
    unknown = labels == UNKNOWN
    known = np.where(unknown, 0, labels)[..., None].astype(np.int64)
    logarithms = np.log(np.maximum(words.astype(np.float64), _LEAST))
    nll = np.empty((len(words), len(TEMPERATURES)))
    for column, temperature in enumerate(TEMPERATURES):
        scaled = logarithms / temperature
        scaled -= np.log(np.exp(scaled).sum(axis=-1, keepdims=True))
        right = np.take_along_axis(scaled, known, axis=-1)[..., 0]
        right[unknown] = scaled[unknown][:, :-1].mean(axis=-1)
        nll[:, column] = -right.sum(axis=1)
    return nll


def of_pictures(tiles: NDArray[np.float32], labels: NDArray[np.int64]) -> Scores:
    """The same for single tiles: `tiles` is float32 (n, labels), `labels` int64 (n,)."""
    return of_words(tiles[:, np.newaxis], labels[:, np.newaxis].astype(np.int16))


def best(nll: Scores) -> float:
    """The temperature of the least negative log-likelihood (NLL) in all."""
    return float(TEMPERATURES[nll.mean(axis=0).argmin()])


def sharpness(confidence: Scores, right: NDArray[np.bool_]) -> float:
    """The sharpness (`models.recognition.decision.sharpened`) that makes what happened most
    probable.

    `confidence` is float64 (captchas,), `right` bool (captchas,): whether the picks were.
    """
    odds = np.log(np.clip(confidence, _LEAST, 1 - _LEAST))
    odds -= np.log(np.clip(1 - confidence, _LEAST, 1 - _LEAST))
    signed = np.where(right, odds, -odds)
    # The NLL of what happened: log(1 + exp(-sharpness · odds)).
    nll = np.logaddexp(0, -TEMPERATURES[:, np.newaxis] * signed).mean(axis=1)
    return float(TEMPERATURES[nll.argmin()])


def apply(network: keras.Model, temperature: float) -> None:
    """Divide the scores of a network of ours by the temperature, in place."""
    last = [layer for layer in _flat(network) if isinstance(layer, keras.layers.Dense)][-1]
    last.set_weights([weights / temperature for weights in last.get_weights()])


def _flat(network: keras.Model) -> Iterator[keras.layers.Layer]:
    """Its layers, and in place of a network among them that one's."""
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from _flat(layer)
        else:
            yield layer
