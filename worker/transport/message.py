"""What is on a queue: kombu's messages, read by libraries that are made for it."""

from contextlib import suppress
from typing import Any, Final

import orjson
import pybase64
from kombu.transport import virtual
from kombu.utils.json import loads

from tilefleet.errors import reason

#: The key of what kombu's JSON has its own way of writing.
_TYPED = b'"__type__"'
#: How a message begins whose body comes first, as everybody writes it.
_STARTS: Final = (b'{"body": "', b'{"body":"')
#: What an envelope has beside its body.
_REST: Final = {"content-encoding", "content-type", "headers", "properties"}


class Unreadable(Exception):
    """What was on the queue is no message in kombu's format."""


class Message(virtual.Message):
    """Raises Unreadable instead of whatever a malformed one runs into."""

    def __init__(self, payload: Any, channel: Any = None, **options: Any) -> None:
        try:
            super().__init__(payload, channel=channel, **options)
        except Exception as error:
            raise Unreadable(reason(error)) from None
        # The server has it; here the decoded one is enough.
        payload.pop("body", None)


class Base64(virtual.base.Base64):
    """As kombu's, by a library that uses vector instructions: bodies are most of what a worker
    reads."""

    def encode(self, body: str | bytes) -> str:
        return pybase64.b64encode_as_string(body.encode() if isinstance(body, str) else body)

    def decode(self, text: str) -> bytes:
        return pybase64.b64decode(text)


def parse(text: bytes) -> Any:
    """As kombu's JSON, by orjson where its typed values (``__type__``) do not occur."""
    # A body that comes first, as everybody writes it, is not searched: it has no quotes in it.
    after_body = max(0, text.find(b'"', len(b'{"body": "')) - len(_TYPED))
    if text.find(_TYPED, after_body) < 0:
        with suppress(orjson.JSONDecodeError):
            return orjson.loads(text)
    return loads(text)


def unwrap(text: bytes) -> tuple[bytes, dict[str, Any]] | None:
    """The body's bytes and the rest of a message; None if `parse` has to look at it.

    Only the rest is read as JSON: a body in base64 is nine tenths of a message, and has nothing to
    escape. The rest is what `_REST` names, its headers a dict.
    """
    start = len(_STARTS[0] if text.startswith(_STARTS[0]) else _STARTS[1])
    end = text.find(b'"', start)
    if not text.startswith(_STARTS) or text[end + 1 : end + 2] != b"," or _TYPED in text[end:]:
        return None
    try:
        rest = orjson.loads(b"{" + text[end + 2 :])
        if rest.keys() != _REST or rest["properties"]["body_encoding"] != "base64":
            return None
        # Strictly: what is not base64 all through, kombu reads in its own way.
        body = pybase64.b64decode(memoryview(text)[start:end], validate=True)
    except (ValueError, KeyError, TypeError):
        return None
    return (body, rest) if isinstance(rest["headers"], dict) else None
