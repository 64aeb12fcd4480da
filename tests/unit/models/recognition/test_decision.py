"""The decision: which picks follow from the networks' probabilities."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from models.recognition import decision
from models.recognition.decision import sharpened
from models.recognition.picks import posterior
from models.recognition.place import Place
from tilefleet.answer import Answer, Grid
from tilefleet.kind import BUILTIN, Kind

TIGER, LION = BUILTIN.index["老虎"], BUILTIN.index["狮子"]


def decide(words: np.ndarray, tiles: np.ndarray, **options: float) -> Answer:
    return decision.decide(words, tiles, kind=BUILTIN, model="m@1", **options)


def header(first: int, second: int = BUILTIN.none, sure: float = 0.99) -> np.ndarray:
    words = np.full((2, BUILTIN.none + 1), (1 - sure) / BUILTIN.none, np.float32)
    words[0, first] = words[1, second] = sure
    return words


def tiles(**shown: dict[int, float]) -> np.ndarray:
    """Eight tiles of something else, except for `t1={label: probability}` and so on."""
    rows = np.full((8, len(BUILTIN.labels)), 1e-4, np.float32)
    rows[:, 0] = 1 - 79e-4
    for name, probabilities in shown.items():
        row = rows[int(name[1:]) - 1]
        row[0] -= sum(probabilities.values())
        for label, probability in probabilities.items():
            row[label] = probability
    return rows


def picks(words: np.ndarray, labels: np.ndarray) -> tuple[int, ...]:
    return decide(words, labels).picks


def test_tiles_that_show_the_word_are_picked():
    answer = decide(header(TIGER), tiles(t2={TIGER: 0.95}, t7={TIGER: 0.9}))
    assert answer.picks == (2, 7)
    assert answer.points == ((112, 77), (184, 149))
    assert [word.label for word in answer.words] == ["老虎"]
    assert len(answer.tiles) == 8
    assert answer.tiles[1].label == "老虎"
    assert answer.confidence > 0.9
    assert answer.model == "m@1"


def test_undecided_are_tiles_that_may_or_may_not_be_picked():
    labels = tiles(t1={TIGER: 0.97}, t2={TIGER: 0.3}, t3={LION: 0.5}, t7={TIGER: 0.9995})
    found = decision.undecided(header(TIGER), labels, kind=BUILTIN)
    assert np.flatnonzero(found).tolist() == [1]


def test_the_only_tile_that_may_show_a_word_is_not_undecided_and_two_are():
    one = tiles(t1={TIGER: 0.97}, t3={LION: 0.5})
    two = tiles(t1={TIGER: 0.97}, t3={LION: 0.5}, t4={LION: 0.5})
    found = [decision.undecided(header(TIGER, LION), each, kind=BUILTIN) for each in (one, two)]
    assert [np.flatnonzero(each).tolist() for each in found] == [[], [2, 3]]


def test_two_words_pick_for_both():
    labels = tiles(t1={TIGER: 0.9}, t5={LION: 0.9}, t6={LION: 0.8})
    answer = decide(header(TIGER, LION), labels)
    assert answer.picks == (1, 5, 6)
    assert [word.label for word in answer.words] == ["老虎", "狮子"]


def test_each_of_two_words_gets_a_tile_even_if_unlikely():
    labels = tiles(t1={TIGER: 0.9}, t2={TIGER: 0.9}, t8={LION: 0.01})
    assert picks(header(TIGER, LION), labels) == (1, 2, 8)


def test_the_most_probable_tile_is_picked_when_none_looks_like_the_word():
    assert picks(header(TIGER), tiles(t4={TIGER: 0.02})) == (4,)


def test_a_second_tile_that_lost_by_arg_max_is_picked():
    assert picks(header(TIGER), tiles(t1={TIGER: 0.95}, t3={TIGER: 0.2})) == (1, 3)


def test_a_fourth_tile_has_to_be_clearer_than_a_second():
    sure = {TIGER: 0.95}
    assert picks(header(TIGER), tiles(t1=sure, t2=sure, t3=sure, t4={TIGER: 0.05})) == (1, 2, 3)
    assert picks(header(TIGER), tiles(t1=sure, t4={TIGER: 0.05})) == (1, 4)


def test_the_same_word_twice_is_one_word():
    assert picks(header(TIGER, TIGER), tiles(t1={TIGER: 0.9})) == (1,)


def test_an_unsure_header_makes_an_unsure_answer_and_tiles_speak_for_it():
    labels = tiles(t1={TIGER: 0.99})
    sure = decide(header(TIGER), labels).confidence
    words = header(TIGER, sure=0.3)
    assert words[0, TIGER] * words[1, BUILTIN.none] < decide(words, labels).confidence < 0.5
    assert sure > 0.9


def test_a_word_that_no_tile_shows_is_doubted_and_still_answered():
    words = header(TIGER, sure=0.9)
    shown, missing = (decide(words, labels) for labels in (tiles(t1={TIGER: 0.9}), tiles()))
    assert missing.confidence < 0.5 < shown.confidence
    assert [word.label for word in missing.words] == ["老虎"]
    assert len(missing.picks) == 1


def test_tiles_do_not_overrule_the_header():
    words = header(TIGER)
    words[0, TIGER], words[0, LION] = 0.6, 0.3
    answer = decide(words, tiles(t3={LION: 0.9}, t4={LION: 0.8}))
    assert [word.label for word in answer.words] == ["老虎"]
    assert answer.words[0].confidence == pytest.approx(0.6)
    assert answer.confidence < 0.3


def test_a_noisy_header_whose_words_tiles_show_is_believed():
    words = header(TIGER, LION, sure=0.7)
    shown = tiles(t1={TIGER: 0.95}, t2={TIGER: 0.95}, t5={LION: 0.95})
    assert decide(words, shown).confidence > 0.8 > 0.7**2


def test_a_header_of_nothing_still_names_its_best_word():
    answer = decide(header(BUILTIN.none, sure=0.99), tiles())
    assert len(answer.words) == 1
    assert answer.confidence < 0.01


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_probabilities_of_exactly_zero_or_one_are_no_trouble(value):
    words = np.full((2, BUILTIN.none + 1), value, np.float32)
    answer = decide(words, np.full((8, len(BUILTIN.labels)), value, np.float32))
    assert answer.picks
    assert np.isfinite(answer.confidence)


def test_several_together_are_decided_to_the_last_bit_as_each_alone():
    shares = np.random.default_rng(1).dirichlet
    words = shares(np.full(BUILTIN.none + 1, 0.01), (33, 2)).astype(np.float32)
    # A third of the headers has one word.
    words[::3, 1] = header(TIGER)[1]
    labels = shares(np.full(len(BUILTIN.labels), 0.02), (33, 8)).astype(np.float32)
    alone = [decide(*each) for each in zip(words, labels, strict=True)]
    assert {len(answer.words) for answer in alone} == {1, 2}
    for count in (33, 8, 2):
        together = decision.decide_all(
            words[:count], labels[:count], kind=BUILTIN, model="m@1", places=[None] * count
        )
        assert together == alone[:count]


def test_a_sharpened_confidence_keeps_its_side_of_one_half_and_the_picks():
    assert [sharpened(value, 2.0) for value in (0.0, 0.5, 1.0)] == [0.0, 0.5, 1.0]
    assert sharpened(0.8, 2.0) > 0.9
    assert sharpened(0.2, 2.0) < 0.1
    assert sharpened(0.8, 1.0) == pytest.approx(0.8)
    given = header(TIGER), tiles(t2={TIGER: 0.9})
    plain, sharp = (decide(*given, sharpness=sharpness) for sharpness in (1.0, 2.0))
    assert sharp.picks == plain.picks
    assert sharp.confidence == pytest.approx(sharpened(plain.confidence, 2.0))


def believed(labels: np.ndarray, *words: int, kind: Kind = BUILTIN) -> np.ndarray:
    """How much the tiles speak for these words, by the set that is picked: the sum over all
    assignments of tiles to them, of which each has one at least, one by one, beside what it would
    be if no tile had to do with them."""
    total = np.zeros(1 << len(labels))
    shares, count = kind.tiles_per_word, len(kind.labels)
    shown = labels[:, list(words)].astype(float)
    other = 1 - shown.sum(axis=1)
    for dealt in itertools.product(range(len(words) + 1), repeat=len(labels)):
        sizes = [dealt.count(word + 1) for word in range(len(words))]
        if not all(sizes):
            continue
        # So often, spread evenly over the sets of so many tiles and the ways to deal each out.
        ways = math.comb(len(labels), sum(sizes)) * math.comb(sum(sizes), sizes[0])
        weight = math.prod(shares[size - 1] for size in sizes) / ways
        for tile, word in enumerate(dealt):
            weight *= (
                shown[tile, word - 1] * count if word else other[tile] / (1 - len(words) / count)
            )
        total[sum(1 << tile for tile, word in enumerate(dealt) if word)] += weight
    return total


@pytest.mark.parametrize("words", [(TIGER,), (TIGER, LION)], ids=["one word", "two words"])
def test_the_confidence_is_bayes_rule_over_all_assignments(words):
    labels = tiles(t1={TIGER: 0.3}, t2={LION: 0.05}, t5={TIGER: 0.02, LION: 0.2})
    asked = header(*words, sure=0.7)
    sure = 0.7 * 0.7
    supported = sure * min(believed(labels, *words).sum() ** 0.6, 30)
    answer = decide(asked, labels)
    sets = posterior(labels[:, sorted(words)], BUILTIN)
    expected = supported / (supported + 1 - sure) * sets.max()
    assert answer.confidence == pytest.approx(float(expected), rel=1e-4)


def test_each_set_of_picks_is_as_probable_as_all_its_assignments_together():
    # As many tiles as any other number of them, all of them too.
    kind = replace(BUILTIN, tiles_per_word=(1 / 8,) * 8)
    labels = tiles(**{f"t{number}": {TIGER: 0.2, LION: 0.3} for number in range(1, 9)})
    weights = believed(labels, TIGER, LION, kind=kind)
    expected = weights / weights.sum()
    found = posterior(labels[:, [TIGER, LION]], kind)
    assert found == pytest.approx(expected, rel=1e-4)


def test_tiles_make_a_header_of_nothing_no_more_than_thirty_times_as_likely():
    labels = tiles(**{f"t{number}": {TIGER: 0.99} for number in (1, 2, 3)})
    words = header(TIGER, sure=0.02)
    sure = 0.02 * 0.02
    sets = posterior(labels[:, [TIGER]], BUILTIN).max()
    expected = 30 * sure / (30 * sure + 1 - sure) * sets
    assert decide(words, labels).confidence == pytest.approx(float(expected), rel=1e-3)


def test_a_confidence_a_digit_above_one_is_one():
    assert sharpened(1 + 1e-7, 0.7) == 1.0


def test_where_a_captcha_was_found_is_where_it_is_clicked_and_as_sure_as_that_is():
    words, labels = header(TIGER), tiles(t2={TIGER: 0.9})
    points = tuple((number, 2 * number) for number in range(8))
    grid = Grid((0, 1, 2, 3), (0, 1), (1, 1))
    plain = decide(words, labels)
    found = decide(words, labels, place=Place(points, grid, 0.5))
    assert found.picks == plain.picks
    assert found.points == tuple(points[pick - 1] for pick in plain.picks)
    assert found.grid == grid
    assert found.confidence == pytest.approx(plain.confidence / 2)
