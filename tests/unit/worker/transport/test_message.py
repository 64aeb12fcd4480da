"""What is on a queue, read by other libraries than kombu's, is what kombu reads."""

from datetime import UTC, datetime

import pytest
from kombu.utils.json import dumps, loads

from worker.transport.message import Base64, Message, Unreadable, parse, unwrap

WHEN = datetime(2017, 3, 1, tzinfo=UTC)


def message(body: str = "aGVsbG8=", **headers: object) -> dict:
    return {
        "body": body,
        "content-encoding": "binary",
        "content-type": "application/x-msgpack",
        "headers": headers,
        "properties": {"body_encoding": "base64", "delivery_info": {}},
    }


@pytest.mark.parametrize(
    "headers",
    [{}, {"eta": WHEN}, {"id": "\u8001\u864e"}, {"expires": WHEN, "retries": 1}],
    ids=["plain", "a typed value", "text", "several"],
)
def test_a_message_reads_as_kombu_reads_it(headers):
    text = dumps(message(**headers)).encode()
    assert parse(text) == loads(text)
    assert parse(text)["headers"] == headers


def test_a_typed_value_in_front_of_the_body_is_seen_too():
    text = b'{"headers": {"eta": %b}, "body": "aGVsbG8="}' % dumps(WHEN).encode()
    assert parse(text)["headers"]["eta"] == WHEN


def test_only_the_rest_of_an_ordinary_message_is_parsed():
    body, rest = unwrap(dumps(message(id="1")).encode())
    assert body == b"hello"
    assert rest["headers"] == {"id": "1"}
    assert "body" not in rest


@pytest.mark.parametrize(
    "changed",
    [
        {"body": "aGVs bG8="},
        {"headers": []},
        {"more": 1},
        {"properties": {"body_encoding": "utf-8"}},
        {"properties": None},
        {"headers": {"eta": WHEN}},
    ],
    ids=["no base64", "headers of a list", "a field more", "text", "none", "a typed value"],
)
def test_what_is_anything_else_is_left_to_kombus_way(changed):
    assert unwrap(dumps({**message(), **changed}).encode()) is None
    assert unwrap(b"no JSON") is None


def test_bodies_are_written_and_read_as_kombus_codec_does():
    assert Base64().encode("hello") == Base64().encode(b"hello") == "aGVsbG8="
    assert Base64().decode("aGVsbG8=") == b"hello"


def test_what_is_malformed_is_unreadable_whatever_it_runs_into():
    with pytest.raises(Unreadable, match="KeyError"):
        Message({"body": "aGVsbG8="})
