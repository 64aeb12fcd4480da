"""Identical captchas are read once; answers are kept while their model reads."""

import pytest

from tests.support.included.jobs import job
from tilefleet.testing import AnswerFactory
from worker.engine_room import coalescing
from worker.engine_room.coalescing import Coalescer
from worker.engine_room.tally import Tally


@pytest.fixture
def tally():
    return Tally()


@pytest.fixture
def coalescer(tally):
    return Coalescer(tally, keep_s=60)


def answered(coalescer, data=b"image"):
    """A job that was read."""
    read = job(data)
    assert not coalescer.settle(read)
    read.answer = AnswerFactory().of(data)
    return read


def test_an_answer_is_kept_for_the_same_bytes_and_no_others(coalescer, tally):
    read = answered(coalescer)
    assert coalescer.part([read]) == [read]
    again, other = job(b"image"), job(b"another")
    assert coalescer.settle(again) == "kept"
    assert again.answer.picks == read.answer.picks
    assert again.answer.timing.pass_size == 0
    assert not coalescer.settle(other)
    assert (tally.kept, tally.joined) == (1, 0)


def test_what_joined_gets_the_same_outcome(coalescer, tally):
    read, twin = answered(coalescer), job(b"image")
    assert coalescer.settle(twin) == "joined"
    assert coalescer.part([read]) == [read, twin]
    assert twin.answer is read.answer
    assert (tally.kept, tally.joined) == (0, 1)


def test_without_a_time_to_keep_nothing_is_kept(tally):
    coalescer = Coalescer(tally)
    coalescer.part([answered(coalescer)])
    assert not coalescer.settle(job(b"image"))


def test_a_captcha_that_is_not_wanted_is_read_for_those_that_joined_it(coalescer):
    first, twin = job(b"image", wanted=False), job(b"image")
    coalescer.settle(first)
    coalescer.settle(twin)
    assert coalescer.begin([first]) == ([first], [])
    first.answer = AnswerFactory().of(b"image")
    coalescer.part([first])
    assert first.answer is None
    assert twin.answer is not None


def test_what_nobody_wants_is_not_read_and_what_comes_then_does_not_join_it(coalescer):
    first = job(b"image", wanted=False)
    coalescer.settle(first)
    assert coalescer.begin([first]) == ([], [first])
    assert not coalescer.settle(job(b"image"))


def test_an_image_of_no_bytes_is_joined_as_any_other_and_forgotten(tally):
    coalescer, first = Coalescer(tally), job(b"")
    assert [coalescer.settle(each) for each in (first, job(b""))] == ["", "joined"]
    coalescer.part([first])
    assert not coalescer.settle(job(b""))


def test_what_is_no_bytes_joins_nothing(coalescer):
    assert not coalescer.settle(job("text"))
    assert not coalescer.settle(job("text"))


def test_an_answer_is_kept_for_so_long_and_no_longer(coalescer, monkeypatch):
    coalescer.part([answered(coalescer)])
    now = coalescing.monotonic()
    monkeypatch.setattr(coalescing, "monotonic", lambda: now + 59)
    assert coalescer.settle(job(b"image")) == "kept"
    monkeypatch.setattr(coalescing, "monotonic", lambda: now + 61)
    assert not coalescer.settle(job(b"image"))


def test_of_more_answers_than_are_kept_the_oldest_go(coalescer, monkeypatch):
    monkeypatch.setattr(coalescing, "_MOST", 2)
    for image in (b"1", b"2", b"3"):
        coalescer.part([answered(coalescer, image)])
    assert [coalescer.settle(job(image)) for image in (b"3", b"2", b"1")] == ["kept", "kept", ""]


def test_one_that_was_read_beside_the_others_takes_nobody_from_who_is_joined(coalescer):
    first = job(b"image")
    coalescer.settle(first)
    # It came back from a worker that is gone, with the same bytes.
    suspect = job(b"image", digest=first.digest)
    assert coalescer.part([suspect]) == [suspect]
    assert coalescer.settle(job(b"image")) == "joined"


def test_images_that_are_alike_in_part_are_each_read(tally):
    coalescer = Coalescer(tally)
    some = [job(bytes(100) + b"%d" % number + bytes(900)) for number in range(3)]
    assert [coalescer.settle(each) for each in some] == ["", "", ""]
    first, second, _ = some
    # What the first has in common with the others is the first's.
    assert coalescer.settle(job(second.data)) == ""
    assert coalescer.settle(job(first.data)) == "joined"
    coalescer.part([second])
    assert coalescer.settle(job(first.data)) == "joined"
    coalescer.part([first])
    assert not first.image
    assert coalescer.settle(job(second.data)) == ""
    assert coalescer.settle(job(second.data)) == "joined"


def test_an_image_of_a_list_is_hashed_only_for_an_answer_that_is_kept(tally, coalescer):
    first, twin = (job(b"image", told_by_digest=False) for _ in range(2))
    assert [Coalescer(tally).settle(first), first.digest] == ["", None]
    coalescer.part([answered(coalescer)])
    assert coalescer.settle(twin) == "kept"
