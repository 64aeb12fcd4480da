"""What goes in one message; what cannot be written is refused before anything is sent."""

import base64
import json
import math
import re

import msgpack
import pytest

from producer.client import message
from tilefleet import wire
from tilefleet.errors import BadMessage, EngineError, NotAnImage


@pytest.mark.parametrize("expires", [math.nan, math.inf, -math.inf, 1e300, 1e12])
@pytest.mark.parametrize(
    ("write", "argument"), [(message.solve, b"one"), (message.solve_many, [b"one", b"two"])]
)
def test_what_expires_at_no_date_is_refused_with_the_value(write, argument, expires):
    with pytest.raises(BadMessage, match=re.escape(f"cannot expire in {expires:g} s")):
        write(argument, lane="captcha", now=1.8e9, expires=expires)


def test_a_list_goes_in_as_few_messages_as_no_server_refuses():
    half = b"x" * (1 << 19)
    assert message.parts([half, half, b"y"]) == [[half, half], [b"y"]]
    # One alone may have more.
    assert message.parts([half * 3, b"y"]) == [[half * 3], [b"y"]]
    assert message.parts([]) == []


@pytest.mark.parametrize(("ids", "told"), [(("one",), "one"), (("one", "two"), ["one", "two"])])
def test_workers_are_told_of_one_and_of_several_as_celery_tells_them(ids, told):
    envelope = json.loads(message.revoke(*ids))
    command = msgpack.unpackb(base64.b64decode(envelope["body"]))
    assert command["method"] == "revoke"
    assert command["arguments"]["task_id"] == told


@pytest.mark.parametrize(
    ("name", "raised"),
    [("NotAnImage", NotAnImage), ("MemoryError", EngineError), ("Iterable", EngineError)],
)
def test_only_errors_of_ours_are_raised_by_the_name_that_is_stored(name, raised):
    stored = {"exc_type": name, "exc_message": ["0 bytes"]}
    with pytest.raises(raised, match="0 bytes"):
        message.outcome({"status": "FAILURE", "result": stored})


def a_list(size: int, **options) -> message.Message:
    images = [b"x" * size, b"y"]
    return message.solve_many(images, lane="captcha.bulk", now=1.8e9, expires=60, **options)


def test_a_long_list_is_beside_its_message_where_workers_can_have_that():
    within, beside = a_list(1 << 16), a_list(1 << 16, beside=True)
    assert not within.body
    assert beside.body == base64.b64decode(json.loads(within.item)["body"])
    envelope = json.loads(beside.item)
    assert envelope["headers"][wire.STORED] == len(beside.body)
    again = message.whole(beside)
    assert message.whole(again) is again
    assert not again.body
    assert json.loads(again.item)["body"] == json.loads(within.item)["body"]
    assert json.loads(again.item)["headers"] == json.loads(within.item)["headers"] | {
        name: envelope["headers"][name] for name in ("id", "root_id")
    }
    # Any other worker fails it, and takes nothing of it for images.
    assert msgpack.unpackb(base64.b64decode(envelope["body"]))[0] == [wire.BESIDE]


def test_a_short_list_and_one_whose_message_is_long_are_in_their_messages():
    assert not a_list(1 << 10, beside=True).body
    assert not a_list(1 << 16, beside=True, headers={"baggage": "x" * 5000}).body
