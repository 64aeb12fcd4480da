"""A drawn answer shows all of it: a change of any part changes the picture there."""

from dataclasses import replace
from io import BytesIO

import pytest
from PIL import Image, ImageChops

from producer.terminal import picture
from tilefleet.answer import Reading
from tilefleet.kind import BUILTIN
from tilefleet.testing import AnswerFactory

ANSWER = AnswerFactory().build([BUILTIN.labels[0], BUILTIN.labels[1]], [2, 7])
LONGEST = max(BUILTIN.labels, key=len)


@pytest.fixture(scope="module")
def captcha():
    out = BytesIO()
    Image.new("RGB", BUILTIN.layout.size, "grey").save(out, "PNG")
    return out.getvalue()


def drawn(captcha, answer) -> Image.Image:
    return Image.open(BytesIO(picture.draw(captcha, answer))).convert("RGB")


def tile(number: int) -> tuple[int, int, int, int]:
    """Where a tile is on the sheet, with the frame around it."""
    row, column = divmod(number - 1, 4)
    left, top = BUILTIN.layout.lefts[column] * 3 - 8, 64 + BUILTIN.layout.tops[row] * 3 - 8
    return left, top, left + 67 * 3 + 16, top + 67 * 3 + 16


def with_tile(number, reading):
    tiles = list(ANSWER.tiles)
    tiles[number - 1] = reading
    return replace(ANSWER, tiles=tuple(tiles))


HEAD, FOOT = (0, 0, 879, 64), (0, 634, 879, 674)


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        (replace(ANSWER, words=(Reading(BUILTIN.labels[2], 0.97), ANSWER.words[1])), HEAD),
        (replace(ANSWER, words=ANSWER.words[:1]), HEAD),
        (replace(ANSWER, words=(ANSWER.words[0], Reading(BUILTIN.labels[1], 0.4))), HEAD),
        (replace(ANSWER, confidence=0.4), HEAD),
        (replace(ANSWER, model="another@1"), FOOT),
        (with_tile(4, Reading(LONGEST, 0.97)), tile(4)),
        (with_tile(4, Reading(ANSWER.tiles[3].label, 0.4)), tile(4)),
    ],
    ids=["word", "words", "word's confidence", "confidence", "model", "tile", "tile's confidence"],
)
def test_every_part_of_an_answer_is_shown_in_its_place(captcha, changed, where):
    difference = ImageChops.difference(drawn(captcha, ANSWER), drawn(captcha, changed)).getbbox()
    assert difference is not None
    assert where[0] <= difference[0] <= difference[2] <= where[2]
    assert where[1] <= difference[1] <= difference[3] <= where[3]


def test_a_pick_is_framed_and_numbered_on_its_tile_and_named_below(captcha):
    less = replace(ANSWER, picks=(7,), points=ANSWER.points[1:])
    pictures = drawn(captcha, ANSWER), drawn(captcha, less)
    for place, differs in ((tile(2), True), (FOOT, True), (tile(7), False), (HEAD, False)):
        parts = [each.crop(place) for each in pictures]
        assert (ImageChops.difference(*parts).getbbox() is not None) is differs


def test_every_label_fits_beside_its_confidence(captcha):
    plain, longest = (
        drawn(captcha, with_tile(4, Reading(label, 1.0))).crop(tile(4)) for label in ("口", LONGEST)
    )
    # The confidence, on the right, is where it was.
    width, height = plain.size
    right = (width - 70, 0, width, height)
    assert ImageChops.difference(plain.crop(right), longest.crop(right)).getbbox() is None
