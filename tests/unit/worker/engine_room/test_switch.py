"""One change of model at a time; one that fails changes nothing."""

import sys
from dataclasses import replace
from threading import Event
from types import SimpleNamespace

import pytest

from models.engines.null import NullEngine
from tests.support.included.jobs import job
from tests.support.running.fleet import wait_until
from tilefleet.errors import HashMismatch, ModelError
from worker.engine_room.held import HeldModels
from worker.engine_room.switch import Switch


def engine(name: str) -> NullEngine:
    made = NullEngine()
    made.model = f"{name}@1"
    return made


@pytest.fixture
def room():
    """What a switch asks of the engine room: it holds `old` and `mine`."""
    held = HeldModels({name: engine(name) for name in ("old", "mine")}, sessions=1, keep_s=0)

    class Room:
        @property
        def engine(self) -> NullEngine:
            return held.default.engine

    Room.held = held
    return Room()


def ended(switch: Switch) -> SimpleNamespace:
    wait_until(lambda: not switch.progress.under_way)
    return SimpleNamespace(**switch.encode())


def test_a_model_is_taken_into_use_and_the_change_is_told(room):
    switch = Switch(room, engine)
    assert switch.encode()["state"] == "idle"
    switch.begin("new")
    done = ended(switch)
    assert (done.state, done.model, done.before, done.wanted) == ("done", "new@1", "old@1", "new")
    assert done.models == ["new@1", "mine@1"]
    assert done.why == ""


def test_a_model_that_is_held_becomes_the_default_and_none_goes(room):
    switch = Switch(room, engine)
    switch.begin("mine")
    done = ended(switch)
    assert (done.state, done.models, done.before) == ("done", ["mine@1", "old@1"], "old@1")


def test_lanes_are_changed_together_with_the_models(room):
    asked = []

    def swapping(old, new, swap):
        asked.append((old, new, room.held.names))
        swap()
        asked.append(room.held.names)

    switch = Switch(room, engine, swapping)
    switch.begin("new")
    ended(switch)
    assert asked == [("old", "new", ["old", "mine"]), ["new", "mine"]]


def test_a_model_for_another_layout_takes_over_too(room):
    def load(name: str) -> NullEngine:
        made = engine(name)
        made.kind = replace(made.kind, layout=replace(made.kind.layout, size=(300, 200)))
        return made

    switch = Switch(room, load)
    switch.begin("new")
    assert ended(switch).state == "done"
    assert str(room.engine.kind.layout) == "300×200"


def test_a_second_change_is_refused_while_one_is_under_way(room):
    go_on = Event()

    def load(name: str) -> NullEngine:
        go_on.wait(10)
        return engine(name)

    switch = Switch(room, load)
    switch.begin("new")
    with pytest.raises(ModelError, match=r"new is being loaded; try again"):
        switch.begin("other")
    go_on.set()
    assert ended(switch).model == "new@1"
    switch.begin("other")
    assert ended(switch).model == "other@1"


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (HashMismatch("words.tflite has another hash"), "HashMismatch: words.tflite has another"),
        (ZeroDivisionError("in a library"), "ZeroDivisionError: in a library"),
    ],
)
def test_a_model_that_cannot_be_loaded_changes_nothing_and_says_why(room, error, why):
    def load(name: str) -> NullEngine:
        raise error

    before = room.engine
    switch = Switch(room, load)
    switch.begin("new")
    failed = ended(switch)
    assert failed.state == "failed"
    assert failed.why.startswith(why)
    assert room.engine is before


def test_a_pass_with_the_old_model_that_does_not_end_is_told_in_the_log(room, caplog, monkeypatch):
    monkeypatch.setattr(HeldModels.wait_for, "__kwdefaults__", {"patience_s": 0.01})
    room.held.bind([job(b"a pass")])
    switch = Switch(room, engine)
    switch.begin("new")
    assert ended(switch).state == "done"
    assert "does not end" in caplog.text


def test_the_model_that_reads_already_is_not_taken_into_use_again(room):
    before = room.engine
    switch = Switch(room, engine)
    switch.begin("old")
    assert ended(switch).state == "done"
    assert room.engine is before


def test_python_changes_threads_ten_times_as_often_while_a_model_is_loaded_and_then_as_before(room):
    usual, during = sys.getswitchinterval(), []

    def load(name: str) -> NullEngine:
        during.append(sys.getswitchinterval())
        if name == "broken":
            raise ModelError("no")
        return engine(name)

    switch = Switch(room, load)
    for name in ("new", "broken"):
        switch.begin(name)
        ended(switch)
        wait_until(lambda: sys.getswitchinterval() == usual)
    assert during == [pytest.approx(usual / 10)] * 2
