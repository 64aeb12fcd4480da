"""Ids whose results are subscribed to ahead: each is used once, and none after its connection."""

from producer.client.results.spares import MOST, Spares


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
