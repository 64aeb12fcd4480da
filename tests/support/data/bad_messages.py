"""Messages on a lane that are no task."""

import base64
import json

import msgpack

from tilefleet import wire

SECRET = b"secret image"
TASK = msgpack.packb([[SECRET], {}, {}])


def message(body=TASK, *, kind="application/x-msgpack", headers=None, **properties) -> str:
    """One of a task, as kombu writes it; each part may be another one."""
    return json.dumps(
        {
            "body": base64.b64encode(body).decode(),
            "content-encoding": "binary",
            "content-type": kind,
            "headers": {"task": wire.TASK_SOLVE, "id": "an-id", **(headers or {})},
            "properties": {
                "body_encoding": "base64",
                "delivery_tag": "any",
                "delivery_info": {"exchange": "", "routing_key": wire.LANE},
                **properties,
            },
        }
    )


#: What it is → the message, whose id is an-id, and what its error says.
WITH_ID = {
    "broken msgpack": (message(b"\xc1\xc1"), "DecodeError"),
    "a body that is no triple": (message(msgpack.packb(5)), "its body is not"),
    "pickle": (message(b"cos\nsystem\n", kind="application/x-python-serialize"), "pickle"),
    "an unknown type": (message(kind="application/nonsense"), "nonsense"),
    "arguments that are text": (message(msgpack.packb(["x", {}, {}])), "args"),
    "a task that is a list": (message(headers={"task": ["x"]}), "its task cannot be used: list"),
    "an expiry that is no time": (message(headers={"expires": "soon"}), "expires"),
    "an eta that is no time": (message(headers={"eta": 5}), "ETA"),
}

#: What it is → the message, of which no id can be read.
WITHOUT_ID = {
    "text": "hello",
    "nothing": "",
    "a list": "[]",
    "a number": "5",
    "bytes that are no text": b"\xff\xfe secret image",
    "no properties": '{"body": "eA=="}',
    "no headers": '{"properties": {}, "body": "eA=="}',
    "headers that are a list": '{"headers": [], "properties": {}, "body": "eA=="}',
    "an unknown encoding": '{"body": "x", "properties": {"body_encoding": "rot13"}}',
    "an id that is a number": message(headers={"id": 5}),
    "deep nesting": '{"properties": {}, "headers": ' + "[" * 5000 + "]" * 5000 + "}",
}
