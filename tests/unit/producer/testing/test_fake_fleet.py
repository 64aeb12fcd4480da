"""Fake fleets have the face of the clients, and do what a fleet does."""

import asyncio
import inspect
import re
from math import inf

import pytest

from producer.client.transport import Transport
from producer.testing.transport import FakeTransport
from tilefleet import AsyncClient, BadArgument, Client, UnknownModel, errors
from tilefleet.testing import AnswerFactory, AsyncFakeFleet, FakeFleet

#: What a test tells a fake fleet, beside what a client has.
MORE = {"hold", "named", "overloaded", "received", "revoked", "when"}


@pytest.fixture
def fleet():
    with FakeFleet() as fleet:
        yield fleet


def face(kind) -> dict[str, object]:
    """Public names of a class, with the signatures of its methods."""
    return {
        name: inspect.signature(value) if callable(value) else type(value)
        for name, value in inspect.getmembers(kind)
        if not name.startswith("_") or name in {"__enter__", "__exit__", "__aenter__", "__aexit__"}
    }


@pytest.mark.parametrize(("fake", "client"), [(FakeFleet, Client), (AsyncFakeFleet, AsyncClient)])
def test_a_fake_has_the_names_and_signatures_of_the_client_and_some_more(fake, client):
    assert issubclass(fake, client)
    assert {name: value for name, value in face(fake).items() if name not in MORE} == face(client)
    assert face(fake).keys() - face(client).keys() == MORE


def test_both_fakes_are_told_and_asked_the_same():
    faces = [{name: face(kind)[name] for name in MORE} for kind in (FakeFleet, AsyncFakeFleet)]
    assert faces[0] == faces[1]


def test_nothing_of_the_real_transport_is_left():
    public = {name for name in vars(Transport) if not name.startswith("_")}
    assert public <= vars(FakeTransport).keys()


def test_every_image_gets_an_answer_of_its_own_and_always_the_same(fleet):
    answers = [fleet.solve(image) for image in (b"one", b"two", b"one")]
    assert answers[0] == answers[2] != answers[1]
    assert fleet.received == [b"one", b"two", b"one"]


def test_answers_by_file_by_rule_and_made_of_the_bytes(fleet, tmp_path):
    factory = AnswerFactory()
    file = tmp_path / "captcha.jpg"
    file.write_bytes(b"the file's bytes")
    ours, long = factory.build(["电线", "沙拉"], [5, 7]), factory.build(picks=[1])
    fleet.when(file, ours)
    fleet.when(lambda image: len(image) > 100, long)
    fleet.when(b"made", lambda image: factory.build(picks=[len(image)]))
    assert fleet.solve(file) == fleet.solve(b"the file's bytes") == ours
    assert fleet.solve(bytes(101)) == long
    assert fleet.solve(b"made").picks == (4,)
    with pytest.raises(FileNotFoundError):
        fleet.when(tmp_path / "missing.jpg", ours)


def test_errors_come_where_a_fleet_gives_them(fleet):
    fleet.when(b"html", errors.NotAnImage("4 bytes: html"))
    fleet.when(b"away", errors.FleetUnreachable("redis://queue: refused"))
    with pytest.raises(errors.NotAnImage, match="4 bytes: html"):
        fleet.submit(b"html").result(5)
    with pytest.raises(errors.FleetUnreachable, match="redis://queue: refused"):
        fleet.submit(b"away")
    for bulk in (False, True):
        outcomes = dict(fleet.outcomes([b"good", b"html", b"good too"], bulk=bulk))
        assert [type(each).__name__ for each in outcomes.values()] == [
            *("Answer", "NotAnImage", "Answer")
        ]


def test_what_is_slow_runs_into_the_timeout_and_is_revoked(fleet):
    fleet.when(b"never", AnswerFactory().build(), delay_s=inf)
    with pytest.raises(errors.AnswerTimeout, match=r"within 0\.05 s from a fake fleet"):
        fleet.solve(b"never", timeout=0.05)
    pending = fleet.submit(b"never")
    assert not pending.ready()
    pending.cancel()
    with pytest.raises(errors.Revoked, match=pending.id):
        pending.result(5)
    assert len(fleet.revoked) == 2
    assert fleet.revoked[-1] == pending.id


def test_what_expires_with_its_wait_is_a_timeout_whichever_is_told_first(fleet):
    for delay_s in (0.04, 0.05, 0.06):
        fleet.when(b"late", errors.Revoked("expired"), delay_s=delay_s)
        with pytest.raises(errors.AnswerTimeout):
            fleet.solve(b"late", timeout=0.05)
        ((_, outcome),) = fleet.outcomes([b"late"], timeout=0.05)
        assert isinstance(outcome, errors.AnswerTimeout)
        # Who waits longer than it may be read is told that it was not.
        with pytest.raises(errors.Revoked, match="expired"):
            fleet.submit(b"late", expires=0.05).result(5)
    # What somebody revoked before, is revoked.
    fleet.when(b"late", errors.Revoked("revoked"))
    with pytest.raises(errors.Revoked):
        fleet.solve(b"late", timeout=5)


def test_answers_come_in_the_order_of_their_delays(fleet):
    fleet.when(b"slow", AnswerFactory().build(), delay_s=0.2)
    images = [b"slow", b"one", b"two"]
    assert [image for image, _ in fleet.map(images)] == images
    assert [image for image, _ in fleet.map(images, ordered=False)] == [b"one", b"two", b"slow"]


def test_an_overloaded_fleet_refuses_and_says_for_how_long(fleet):
    with fleet.overloaded(drain_s=3):
        for bulk in (False, True):
            with pytest.raises(errors.Overloaded, match=r"read in about 3\.0 s") as refusal:
                fleet.submit(b"any", bulk=bulk)
            assert refusal.value.drain_s == 3
        ((_, outcome),) = fleet.outcomes([b"any"])
        assert isinstance(outcome, errors.Overloaded)
    assert fleet.solve(b"any", timeout=5)
    assert fleet.received == [b"any"]


def test_a_closed_fleet_says_so_and_opens_again(fleet):
    fleet.when(b"never", AnswerFactory().build(), delay_s=inf)
    pending = fleet.submit(b"never")
    fleet.close()
    with pytest.raises(errors.FleetUnreachable, match="the client was closed"):
        pending.result(5)
    assert fleet.solve(b"again", timeout=5)


def test_the_asynchronous_one_does_the_same():
    async def program(fleet):
        async with fleet:
            backlog = await fleet.look()
            assert backlog.fleet.workers == 1
            answer = await fleet.solve(b"any")
            task = asyncio.create_task(fleet.solve(b"never"))
            await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            pairs = [pair async for pair in fleet.map([b"one", b"two"])]
            return answer, [image for image, _ in pairs]

    other = FakeFleet()
    fleet = AsyncFakeFleet(other.script)
    fleet.when(b"never", AnswerFactory().build(), delay_s=inf)
    assert asyncio.run(program(fleet)) == (other.solve(b"any"), [b"one", b"two"])
    assert len(fleet.revoked) == 1
    other.close()


def test_a_wrong_setting_is_the_error_that_it_is_with_a_client(monkeypatch):
    monkeypatch.setenv("TILEFLEET_LEASE_S", "soon")
    with pytest.raises(errors.SettingError, match="TILEFLEET_LEASE_S='soon'"):
        FakeFleet()


def test_a_captcha_may_name_a_model_and_its_answer_names_it_too(fleet):
    assert fleet.solve(b"any", model="mine").model.startswith("mine@")
    assert fleet.submit(b"bulk", bulk=True, model="mine").result().model.startswith("mine@")
    ((_, answer),) = fleet.map([b"many"], bulk=True, model="other")
    assert answer.model.startswith("other@")
    assert fleet.solve(b"none").model.startswith("fake@")
    assert fleet.named == ["mine", "mine", "other", ""]


def test_a_model_that_is_not_held_is_an_error_with_the_names_of_those_that_are(fleet):
    fleet.hold("builtin", "mine")
    assert fleet.solve(b"any", model="mine").model.startswith("mine@")
    with pytest.raises(errors.UnknownModel, match=r"'main'; they hold: builtin, mine; did") as told:
        fleet.solve(b"any", model="main")
    assert told.value.held == ("builtin", "mine")
    ((_, outcome),) = fleet.outcomes([b"many"], bulk=True, model="main")
    assert isinstance(outcome, errors.UnknownModel)
    assert fleet.received == [b"any"]
    with fleet.overloaded(), pytest.raises(errors.Overloaded, match="captcha@mine"):
        fleet.solve(b"any", model="mine")


@pytest.mark.parametrize("name", ["a/b", "", ".hidden", "a\x06b", "x" * 300, 7])
def test_what_cannot_be_a_models_name_is_refused_before_it_is_sent(fleet, name):
    with pytest.raises(errors.UnknownModel):
        fleet.solve(b"any", model=name)
    assert fleet.received == []


@pytest.mark.parametrize("wrong", [None, "an answer", {"picks": [1]}, ValueError("any")], ids=repr)
def test_what_no_fleet_replies_is_refused_where_it_is_scripted(fleet, wrong):
    said = re.escape(f"reply={wrong!r}; give an Answer")
    with pytest.raises(BadArgument, match=said):
        fleet.when(b"any", wrong)
    fleet.when(b"any", lambda _: wrong)
    with pytest.raises(BadArgument, match=said):
        fleet.solve(b"any")
    with pytest.raises(UnknownModel, match="list"):
        fleet.hold(["builtin"])
    for drain_s in (0, -1, inf):
        with (
            pytest.raises(BadArgument, match=f"drain_s={drain_s}; give"),
            fleet.overloaded(drain_s),
        ):
            pass
