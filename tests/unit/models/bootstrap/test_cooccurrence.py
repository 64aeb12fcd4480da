"""Words and groups to labels, against Bayes' rule written out and against known collections."""

import numpy as np
import pytest

from models.bootstrap.estimation import cooccurrence
from models.bootstrap.estimation.agreement import agree
from models.bootstrap.estimation.beliefs import MOST, Rates, Sightings
from models.drawing import tiles as pictures
from models.drawing.collection import plan
from tilefleet.kind import BUILTIN


def test_the_message_to_a_tile_is_what_bayes_says():
    """Against all 2^8 ways in which eight tiles may show one word."""
    rng = np.random.default_rng(5)
    shown = rng.uniform(0.01, 0.6, (1, 8, 1))
    rates, trust = Rates(), 0.9
    messages, _, _ = cooccurrence._messages(shown, np.array([[trust]]), rates)
    chance = 1 / len(BUILTIN.labels)
    weights = {True: 0.0, False: 0.0}
    for ways in np.ndindex(*(2,) * 8):
        ways = np.array(ways)
        k = int(ways.sum())
        beliefs = np.where(ways[1:], shown[0, 1:, 0], 1 - shown[0, 1:, 0]).prod()
        asked = 0.0
        if 1 <= k <= MOST:
            arrangements = np.array([1, 8, 28, 56, 70])[k]
            by_chance = chance**k * (1 - chance) ** (8 - k)
            asked = rates.tiles_per_word[k - 1] / arrangements / by_chance
        weights[bool(ways[0])] += beliefs * (trust * asked + 1 - trust)
    assert messages[0, 0, 0] == pytest.approx(np.log(weights[True] / weights[False]))


def sightings(captchas, seed, header_errors=0.0):
    drawn = plan(pictures.TILES, captchas=captchas, pool=60, header_errors=header_errors, seed=seed)
    sure = np.where(drawn.headers == BUILTIN.none, 1.0, 0.97)
    return drawn, Sightings(drawn.shown, drawn.headers, sure)


@pytest.mark.parametrize("header_errors", [0.0, 0.05, 0.1])
def test_more_captchas_tell_more(header_errors):
    right = []
    for captchas in (30, 90, 640):
        drawn, seen = sightings(captchas, 6, header_errors)
        beliefs = cooccurrence.fit(seen, len(drawn.labels))
        right.append((beliefs.labels.argmax(axis=1) == drawn.labels)[drawn.shown].mean())
    assert right[0] < right[1] <= right[2]
    assert right[2] > 0.97


def test_the_rates_are_found():
    drawn, seen = sightings(1500, 7, 0.1)
    beliefs = cooccurrence.fit(seen, len(drawn.labels))
    assert beliefs.wrong_words == pytest.approx(0.1, abs=0.03)
    assert np.allclose(beliefs.rates.tiles_per_word[:3], BUILTIN.tiles_per_word[:3], atol=0.06)


def test_held_out_headers_tell_good_labels_from_bad():
    drawn, seen = sightings(300, 8)
    held = np.arange(len(seen)) % 10 == 0
    truth = np.eye(len(BUILTIN.labels), dtype=np.float32)[drawn.labels]
    good = agree(seen.only(held), truth, Rates(), 0.02)
    bad = agree(seen.only(held), np.roll(truth, 1, axis=1), Rates(), 0.02)
    assert good[0] > bad[0]
    assert good[1] == 1.0


def test_a_picture_seen_once_is_what_a_network_sees_in_it():
    seen = Sightings(
        np.arange(8, dtype=np.int32)[np.newaxis],
        np.array([[BUILTIN.index["锣"], BUILTIN.none]], np.int16),
        np.array([[0.99, 0.99]]),
    )
    prior = np.zeros((8, len(BUILTIN.labels)), np.float32)
    prior[:, :] = np.log(0.1 / 79)
    prior[np.arange(8), np.arange(8)] = np.log(0.9)
    prior[3] = np.log(1 / 80)
    beliefs = cooccurrence.fit(seen, 8, prior=prior)
    assert beliefs.labels[0].argmax() == 0
    # Of the one it knows nothing about, the header tells: seven others show something else.
    assert beliefs.labels[3].argmax() == BUILTIN.index["锣"]
