"""Ids whose results are subscribed to ahead: each is used once, and none after its connection."""

import pytest

from producer.client.results.spares import MOST, Spares
from producer.testing import FakeFleet
from producer.testing.transport import FakeTransport
from tilefleet.errors import BadMessage


def key(task_id: str) -> bytes:
    return task_id.encode()


def test_only_what_the_server_has_confirmed_is_ready():
    spares = Spares(key)
    (first, *rest) = spares.more()
    assert len(rest) == MOST - 1
    assert not spares.more()
    assert key(spares.take()) not in {first, *rest}
    spares.confirm(first)
    assert key(spares.take()) == first
    assert spares.use(first)
    assert len(spares.more()) == 1


def test_one_is_used_once_and_no_other_id_is_subscribed_to():
    spares = Spares(key)
    (first, *_) = spares.more()
    spares.confirm(first)
    assert spares.use(key(spares.take()))
    assert not spares.use(first)
    assert not spares.use(b"any other")


def test_what_was_taken_is_not_subscribed_to_on_the_next_connection():
    spares = Spares(key)
    (first, second, *_) = spares.more()
    spares.confirm(first)
    spares.confirm(second)
    taken = spares.take()
    spares.lose()
    assert not spares.use(key(taken))
    assert key(spares.take()) not in {first, second}
    assert len(spares.more()) == MOST


def test_one_that_was_taken_for_nothing_is_ready_again():
    spares = Spares(key)
    (first, *_) = spares.more()
    spares.confirm(first)
    taken = spares.take()
    spares.give_back(taken)
    assert spares.take() == taken
    assert len(spares.more()) == 1
    spares.lose()
    spares.give_back(taken)
    assert spares.take() != taken


def test_what_cannot_be_written_gives_its_id_back(monkeypatch):
    given: list[str] = []
    monkeypatch.setattr(FakeTransport, "give_back", lambda _, ids: given.extend(ids))
    with FakeFleet() as fleet, pytest.raises(BadMessage, match="cannot expire"):
        fleet.submit(b"any", expires=1e15)
    assert len(given) == 1
