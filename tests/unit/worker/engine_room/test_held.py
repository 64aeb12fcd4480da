"""The models that are held: each captcha has one, and another one takes over without a gap."""

import weakref
from threading import Thread

import pytest

from models.engines.null import NullEngine
from tests.support.included.jobs import job
from worker.engine_room.held import HeldModels


@pytest.fixture
def models():
    engines = {name: NullEngine(name) for name in ("builtin", "mine")}
    return HeldModels(engines, sessions=1, keep_s=60)


def bound(models, name="", count=1):
    jobs = [job(b"%d" % number) for number in range(count)]
    assert models.bind(jobs, name)
    return jobs


def test_what_names_a_model_is_bound_to_it_and_what_names_none_to_the_first(models):
    (none,), (mine,) = bound(models), bound(models, "mine")
    assert (none.held.name, mine.held.name) == ("builtin", "mine")
    assert models.names == ["builtin", "mine"]


def test_what_names_a_model_that_is_not_held_is_bound_to_none(models):
    read = job(b"any")
    assert not models.bind([read], "other")
    assert read.held is None


def test_a_model_that_is_not_held_takes_the_place_of_the_default(models):
    old = models.use(models.warm("new", NullEngine("new")))
    assert old.name == "builtin"
    assert models.names == ["new", "mine"]
    assert bound(models)[0].held.engine.model == "new@null"
    assert not models.bind([job(b"any")], "builtin")


def test_a_model_that_is_held_becomes_the_default_and_no_other_goes(models):
    mine = models.get("mine")
    assert models.use(mine) is mine
    assert models.names == ["mine", "builtin"]
    assert bound(models)[0].held is mine


def test_another_one_of_the_same_name_takes_its_place_and_goes_on_counting(models):
    before = models.get("mine")
    before.tally.joined += 1
    assert models.use(models.warm("mine", NullEngine("mine"))) is before
    assert models.names == ["mine", "builtin"]
    assert models.get("mine") is not before
    assert models.get("mine").tally.joined == 1


def test_what_is_bound_stays_so_and_is_waited_for_before_the_old_one_goes(models):
    jobs = bound(models, count=2)
    old = models.use(models.warm("new", NullEngine("new")))
    assert {each.held for each in jobs} == {old}
    assert not models.wait_for(old, patience_s=0.01)
    models.release(jobs[:1])
    assert not models.wait_for(old, patience_s=0.01)
    models.release(jobs)
    assert models.wait_for(old, patience_s=0)
    gone = weakref.ref(old)
    del old
    assert gone() is None


def test_nobody_gets_an_answer_of_another_model(models):
    (first,), (mine,) = bound(models), bound(models, "mine")
    assert not first.held.coalescer.settle(first)
    # The same bytes.
    assert not mine.held.coalescer.settle(mine)


def test_who_waits_for_an_old_one_goes_on_with_the_last_of_its_captchas(models):
    jobs = bound(models, count=2)
    old = models.use(models.warm("new", NullEngine("new")))
    waited = []
    waiting = Thread(target=lambda: waited.append(models.wait_for(old, patience_s=600)))
    waiting.daemon = True
    waiting.start()
    for each in jobs:
        assert not waited
        models.release([each])
    waiting.join(20)
    assert waited == [True]
