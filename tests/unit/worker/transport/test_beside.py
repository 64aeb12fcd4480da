"""Bodies beside their messages: which are, what is asked for, and what kombu reads in the end."""

import json
import logging
from contextlib import contextmanager
from time import time
from types import SimpleNamespace

import msgpack
import pytest
from kombu.utils.json import dumps
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from producer.client import message
from tilefleet import wire
from worker.transport.beside import body_key, fetch, put_in
from worker.transport.claim import Claimed

IMAGES = [bytes(40_000), b"x" * 40_000]


class Channel:
    """Has the bodies that it is told of, or an error."""

    def __init__(self, stored=None, trouble=None) -> None:
        self.qos = SimpleNamespace(beside={}, on_top={"1", "2"})
        self._stored, self._trouble = stored or {}, trouble

    def prefixed(self, keys):
        return [f"a:{key}" for key in keys]

    @contextmanager
    def conn_or_acquire(self):
        yield self

    def execute_command(self, command, *keys):
        if self._trouble is not None:
            raise self._trouble
        assert command == "MGET"
        return [self._stored.get(key) for key in keys]


def a_list(**headers: str) -> message.Message:
    return message.solve_many(
        IMAGES, lane="captcha.bulk", now=time(), expires=60, headers=headers, beside=True
    )


def claimed(tag: str, text: bytes) -> Claimed:
    return Claimed("captcha.bulk", tag, text)


def test_a_long_list_s_body_is_known_by_its_task_whoever_has_written_the_message_last():
    made = a_list()
    assert made.body
    assert body_key(made.item) == wire.body_key(made.id)
    # As kombu writes what comes back.
    assert body_key(json.dumps(json.loads(made.item)).encode()) == wire.body_key(made.id)


@pytest.mark.parametrize("filling", ["x", "模"], ids=["letters", "escaped"])
def test_nor_is_it_lost_where_a_long_message_has_grown_by_coming_back(filling):
    known = 0
    for length in range(0, 4000, 100):
        made = a_list(tracestate=filling * length)
        back = json.loads(made.item)
        back["headers"]["redelivered"] = True
        if made.body:
            assert body_key(dumps(back).encode()) == wire.body_key(made.id)
            known += 1
    assert known > 3


def test_a_sender_cannot_say_where_its_body_is():
    headers = {wire.STORED: "unacked", "id": "one"}
    assert body_key(json.dumps({"headers": headers}).encode()) == wire.body_key("one")


@pytest.mark.parametrize(
    "text",
    [
        message.solve(b"one", lane="captcha", now=1.8e9, expires=60).item,
        b'{"headers": {"id": "one", "argsrepr": "stored_bytes"}}',
        b'{"headers": {"id": "one", "argsrepr": "\\"stored_bytes\\""}}',
        b'{"headers": {"stored_bytes": 1}}',
        b'{"headers": {"stored_bytes": 1, "id": null}}',
        b'{"headers": ["stored_bytes"]}',
        b'"stored_bytes" no JSON',
        b'{"headers": {"id": "one", "stored_bytes": 1}, "more": "%b"}' % (b"x" * 5000),
    ],
    ids=["in it", "quoted", "escaped", "no id", "an empty one", "a list", "no JSON", "long"],
)
def test_others_are_in_their_messages(text):
    assert body_key(text) is None


def test_bodies_are_had_together_and_one_that_is_gone_is_none():
    one, gone, image = a_list(), a_list(), b'{"body": "aGVsbG8="}'
    channel = Channel({f"a:{wire.body_key(one.id)}": one.body})
    some = [claimed("1", one.item), claimed("2", image), claimed("3", gone.item)]
    assert fetch(channel, some) == (some, {"1": one.body, "3": None})
    assert channel.qos.beside == {"1": wire.body_key(one.id), "3": wire.body_key(gone.id)}


def test_nothing_is_asked_for_where_all_is_in_the_messages():
    some = [claimed("1", b'{"body": "aGVsbG8="}')]
    assert fetch(Channel(trouble=AssertionError), some) == (some, {})


def test_what_the_account_may_not_read_stays_claimed_and_the_others_are_delivered(caplog):
    channel = Channel(trouble=ResponseError("no right"))
    image = claimed("2", b'{"body": "aGVsbG8="}')
    with caplog.at_level(logging.WARNING):
        assert fetch(channel, [claimed("1", a_list().item), image]) == ([image], {})
    assert "1 messages stay claimed: their bodies cannot be read: no right" in caplog.text
    # Nobody deletes what another one is going to read, and nobody holds it.
    assert (channel.qos.beside, channel.qos.on_top) == ({}, {"2"})


def test_a_connection_that_breaks_is_what_consumes_on_it_hears_of():
    with pytest.raises(RedisConnectionError):
        fetch(Channel(trouble=RedisConnectionError("lost")), [claimed("1", a_list().item)])


def test_kombu_reads_the_body_as_if_it_were_in_the_message():
    made = a_list()
    payload = json.loads(made.item)
    put_in(payload, made.body)
    assert msgpack.unpackb(payload["body"])[0] == [IMAGES]
    assert payload["properties"]["body_encoding"] is None
    assert wire.STORED not in payload["headers"]
