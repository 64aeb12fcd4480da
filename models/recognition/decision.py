"""Probabilities to an answer: words, the most probable set of tiles, and how sure both are.

How sets of tiles are weighed, `models.recognition.picks` says. The sum of all weights, beside what
it would be if no tile had to do with the words, is how much the tiles speak for the header that was
read,

    P(header right | pictures) / P(not) = P(header right | its picture) / P(not) · (Σ …) ^ 0.6,

so that a word that no tile shows is doubted, and a noisy header whose words tiles show is not. The
power is below 1 because a network's doubts of eight tiles are not independent; this one made the
right picks of the captchas most probable that networks are calibrated on (of 2016 to 2020). It says
nothing of which words are read: tiles that were misread would take clear headers for others.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.recognition.picks import Probabilities, membership, pick_all, posterior
from models.recognition.place import Place
from tilefleet.answer import Answer, Reading
from tilefleet.kind import Kind

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
    picked = pick_all([[word for word, _ in read] for read, _ in asked], tiles, kind)
    shown = map(zip, tiles.argmax(axis=2).tolist(), tiles.max(axis=2).tolist())
    labels, answers = kind.labels, []
    for (read, sure), (picks, evidence, probable), each, place in zip(
        asked, picked, shown, places, strict=True
    ):
        confidence = sharpened(_supported(sure, evidence) * probable, sharpness)
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
    picked = posterior(tiles[:, sorted({word for word, _ in asked})], kind) @ membership(len(tiles))
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
