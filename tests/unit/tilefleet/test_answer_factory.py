"""Made answers are such as a fleet could give."""

import pytest

from tilefleet.answer import Answer
from tilefleet.kind import BUILTIN
from tilefleet.testing import AnswerFactory


def test_picked_tiles_and_no_others_show_the_words():
    factory = AnswerFactory()
    for answer in [factory.build() for _ in range(200)] + [
        factory.build(["电线", "沙拉"], picks) for picks in ([5, 7], [8, 1, 3], [2])
    ]:
        words = [word.label for word in answer.words]
        shown = [n for n, tile in enumerate(answer.tiles, 1) if tile.label in words]
        assert tuple(shown) == answer.picks
        assert answer.points == tuple(BUILTIN.layout.points[pick - 1] for pick in answer.picks)
        assert len(answer.tiles) == 8
        assert {*words, *(tile.label for tile in answer.tiles)} <= {*BUILTIN.labels}


def test_an_answer_survives_the_wire():
    answer = AnswerFactory().build()
    assert Answer.decode(answer.encode()) == answer


def test_the_same_seed_draws_the_same():
    one, same, other = AnswerFactory(1), AnswerFactory(1), AnswerFactory(2)
    assert [one.build() for _ in range(5)] == [same.build() for _ in range(5)]
    assert one.of(b"any") == same.of(b"any")
    assert one.of(b"any") != other.of(b"any")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"words": ["鲸鱼"]}, "words are"),
        ({"words": []}, "words are"),
        ({"picks": [0]}, "numbers 1 to 8"),
        ({"picks": [9]}, "numbers 1 to 8"),
        ({"confidence": 1.5}, "confidence is 1.5"),
    ],
)
def test_what_no_captcha_has_is_refused(given, why):
    with pytest.raises(ValueError, match=why):
        AnswerFactory().build(**given)
