"""One change of model at a time; one that fails changes nothing."""

from dataclasses import replace
from threading import Event
from types import SimpleNamespace

import pytest

from models.engines.null import NullEngine
from tests.support.fleet import wait_until
from tilefleet.errors import HashMismatch, ModelError
from worker.engine_room.switch import Switch


def engine(name: str) -> NullEngine:
    made = NullEngine()
    made.model = name
    return made


class Room:
    """What a switch asks of the engine room."""

    def __init__(self) -> None:
        self.engine = engine("old@1")
        self.drains = True

    def use(self, engine: NullEngine) -> bool:
        self.engine = engine
        return self.drains


@pytest.fixture
def room():
    return Room()


def ended(switch: Switch) -> SimpleNamespace:
    wait_until(lambda: not switch.progress.under_way)
    return SimpleNamespace(**switch.encode())


def test_a_model_is_taken_into_use_and_the_change_is_told(room):
    switch = Switch(room, engine)
    assert switch.encode()["state"] == "idle"
    switch.begin("new@2")
    done = ended(switch)
    assert (done.state, done.model, done.before, done.wanted) == ("done", "new@2", "old@1", "new@2")
    assert done.why == ""


def test_a_model_for_another_layout_is_refused_as_what_is_decoded_is_cut_already(room):
    def load(name: str) -> NullEngine:
        made = engine(name)
        made.kind = replace(made.kind, layout=replace(made.kind.layout, size=(300, 200)))
        return made

    switch = Switch(room, load)
    switch.begin("new@2")
    done = ended(switch)
    assert (done.state, done.model) == ("failed", "old@1")
    assert "tiles on 300×200 pixels, this worker" in done.why


def test_a_second_change_is_refused_while_one_is_under_way(room):
    go_on = Event()

    def load(name: str) -> NullEngine:
        go_on.wait(10)
        return engine(name)

    switch = Switch(room, load)
    switch.begin("new@2")
    with pytest.raises(ModelError, match=r"new@2 is being loaded; try again"):
        switch.begin("other@3")
    go_on.set()
    assert ended(switch).model == "new@2"
    switch.begin("other@3")
    assert ended(switch).model == "other@3"


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
    switch.begin("new@2")
    failed = ended(switch)
    assert failed.state == "failed"
    assert failed.why.startswith(why)
    assert room.engine is before


def test_a_pass_with_the_old_model_that_does_not_end_is_told_in_the_log(room, caplog):
    room.drains = False
    switch = Switch(room, engine)
    switch.begin("new@2")
    assert ended(switch).state == "done"
    assert "does not end" in caplog.text


def test_the_model_that_reads_already_is_not_taken_into_use_again(room):
    before = room.engine
    switch = Switch(room, engine)
    switch.begin("old@1")
    assert ended(switch).state == "done"
    assert room.engine is before
