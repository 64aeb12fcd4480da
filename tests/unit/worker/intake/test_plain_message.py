"""What is plain: the messages of our senders and Celery's, and nothing that asks for more."""

import json
from base64 import b64encode

import msgpack
import orjson
import pytest
from celery import Celery
from kombu.utils.json import dumps

from producer.client import message
from tilefleet import wire
from worker.intake.plain_message import read
from worker.transport.message import parse, unwrap

IMAGE = bytes(range(256)) * 20
ACCEPT = frozenset({"application/json", "application/x-msgpack"})


def ours(**options) -> bytes:
    return message.solve(IMAGE, lane=wire.LANE, now=0.0, expires=60, **options).item


def celery_s(serializer: str, **options) -> bytes:
    """What a Celery application puts on its queue."""
    app = Celery("sender", broker="memory://", set_as_current=False)
    sent = app.amqp.as_task_v2("an-id", wire.TASK_SOLVE, (IMAGE,), {}, **options)
    with app.connection() as connection:
        channel = connection.channel()
        producer = app.amqp.Producer(channel)
        body, kind, encoding = producer._prepare(sent.body, serializer)
        envelope = channel.prepare_message(body, 0, kind, encoding, sent.headers, sent.properties)
        channel._inplace_augment_message(envelope, "", wire.LANE)
    return dumps(envelope).encode()


def changed(change) -> bytes:
    """Our message with its envelope changed by a function."""
    envelope = json.loads(ours())
    change(envelope)
    return json.dumps(envelope).encode()


def says(text: bytes):
    opened = unwrap(text)
    return None if opened is None else read(*opened, ACCEPT)


@pytest.mark.parametrize(
    "text", [ours(), celery_s("msgpack"), celery_s("json"), celery_s("json", expires=60)]
)
def test_what_senders_write_is_plain(text):
    plain = says(text)
    assert plain.task == wire.TASK_SOLVE
    assert plain.id == parse(text)["headers"]["id"]
    assert plain.argument == IMAGE
    assert plain.headers == parse(text)["headers"]
    assert plain.properties == parse(text)["properties"]


def test_its_expiry_is_read_with_its_zone():
    assert says(ours()).expires.isoformat() == "1970-01-01T00:01:00+00:00"
    assert says(changed(lambda each: each["headers"].update(expires=None))).expires is None


HEADERS = {
    "eta": "2026-01-01T00:00:00+00:00",
    "shadow": "name",
    "group": "an-id",
    "group_index": 0,
    "retries": 1,
    "timelimit": [1, None],
    "replaced_task_nesting": 1,
    "stamped_headers": ["a"],
    "stamps": {"a": "b"},
    "id": "a\nb",
    "root_id": 5,
    "parent_id": {},
    "task": ["worker.solve"],
    "ignore_result": "no",
    "expires": "2026-01-01T00:00:00",
    "compression": "application/x-gzip",
    "redelivered": True,
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "colour": "red",
    "outcome": None,
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_that_asks_for_more_is_not_plain(name):
    assert says(changed(lambda each: each["headers"].update({name: HEADERS[name]}))) is None


def test_no_expiry_is_read_as_anything_but_text():
    for value in (5, "soon", [], {"a": 1}):
        assert (
            says(changed(lambda each, value=value: each["headers"].update(expires=value))) is None
        )


NONE = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


@pytest.mark.parametrize(
    "body",
    [
        [[IMAGE], {}, {**NONE, "callbacks": [{"task": "t"}]}],
        [[IMAGE], {}, {**NONE, "chord": {"task": "t"}}],
        [[IMAGE], {}, {**NONE, "more": None}],
        [[IMAGE], {}, None],
        [[IMAGE], {"a": 1}, NONE],
        [[IMAGE, IMAGE], {}, NONE],
        [[], {}, NONE],
        [{"0": IMAGE}, {}, NONE],
        [[IMAGE], {}],
        {"task": wire.TASK_SOLVE, "args": [IMAGE]},
        5,
    ],
)
def test_a_body_that_is_more_than_an_image_is_not_plain(body):
    packed = b64encode(msgpack.packb(body)).decode()
    assert says(changed(lambda each: each.update(body=packed))) is None


def test_a_body_that_cannot_be_read_or_is_not_accepted_is_not_plain():
    assert says(changed(lambda each: each.update(body=b64encode(b"\xc1").decode()))) is None
    assert says(changed(lambda each: each.update({"content-type": "application/x-yaml"}))) is None
    assert says(changed(lambda each: each.update({"content-encoding": "rot13"}))) is None
    assert read(*unwrap(ours()), frozenset({"application/json"})) is None


def test_what_was_delivered_before_is_not_plain():
    def again(envelope):
        envelope["properties"]["delivery_info"]["redelivered"] = True

    assert says(changed(again)) is None


def test_an_envelope_is_unwrapped_as_it_is_parsed():
    for text in (ours(), celery_s("json")):
        body, rest = unwrap(text)
        whole = parse(text)
        assert b64encode(body).decode() == whole.pop("body")
        assert rest == whole


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"5",
        b'{"body": "',
        b'{"body":"AAAA"}',
        ours()[:-1],
        ours().replace(b'{"body":"', b'{"body":"\\u0041', 1),
        ours().replace(b'{"body":"', b'{"body":"\\n', 1),
        ours().replace(b'{"body":"', b'{"body":"=', 1),
        ours().replace(b'","content-encoding"', b'" "content-encoding"', 1),
        ours().replace(b'"base64"', b'"none"', 1),
        ours().replace(b'{"body":"', b'{"more":1,"body":"', 1),
        changed(lambda each: each.update(more=1)),
        changed(lambda each: each.update(headers=None)),
        changed(lambda each: each.update(properties=[])),
        changed(
            lambda each: each["headers"].update(expires={"__type__": "date", "__value__": "x"})
        ),
        orjson.dumps({"headers": {}, "properties": {}, "body": "AAAA"}),
        b'{"body":"AAAA","content-encoding":' + b"[" * 2000,
    ],
)
def test_an_envelope_that_is_not_as_all_write_it_is_left_to_kombu(text):
    assert unwrap(text) is None
