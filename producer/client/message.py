"""What Celery and kombu would put on the wire for a captcha, and what they read in a result.

For the asyncio client, which has no Celery under it. The format is Celery's second protocol
(https://docs.celeryq.dev/en/stable/internals/protocol.html) in kombu's envelope for Redis.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

import msgpack
import orjson
import pybase64

from tilefleet import errors, wire
from tilefleet.answer import Answer
from tilefleet.errors import BadMessage, EngineError, Revoked, TilefleetError

from .source import describe

#: kombu's lists of one queue: the most urgent priority, then one list for each further step.
_STEPS = ("", "\x06\x163", "\x06\x166", "\x06\x169")

NO_HEADERS: Final[Mapping[str, str]] = {}

#: Bytes of a list's body from which on it goes beside its message, where workers can have that.
_BESIDE_BYTES = 64 << 10

#: Bytes of images that go in one message, unless one alone has more; to write it takes about two
#: milliseconds, in which the event loop does nothing else.
_MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Message:
    """One task on its way."""

    id: str
    lane: str
    #: Of the queue's list, a JSON object.
    item: bytes
    #: Seconds within which a worker may begin with it.
    expires: float
    #: What is stored beside it (`wire.STORED`); nothing: the item has everything in it.
    body: bytes = b""


def lists(lane: str) -> list[str]:
    """The lists that a lane's messages wait in."""
    return [lane + step for step in _STEPS]


def solve(
    image: bytes,
    *,
    lane: str,
    now: float,
    expires: float,
    headers: Mapping[str, str] = NO_HEADERS,
    task_id: str = "",
) -> Message:
    """Read one captcha; not any more after `expires` seconds. `now`: by the server's clock.

    `headers`: that come on top of Celery's. `task_id`: a new one, unless it is given.
    """
    return _task(wire.TASK_SOLVE, image, lane, now, expires, describe(image), headers, task_id)


def solve_many(
    images: Sequence[bytes],
    *,
    lane: str,
    now: float,
    expires: float,
    headers: Mapping[str, str] = NO_HEADERS,
    task_id: str = "",
    beside: bool = False,
) -> Message:
    """Read a list of captchas. `beside`: workers can have its images beside the message."""
    total = sum(map(len, images))
    return _task(
        wire.TASK_SOLVE_MANY,
        list(images),
        lane,
        now,
        expires,
        f"(<{len(images)} images, {total} bytes>)",
        headers,
        task_id,
        beside,
    )


def whole(message: Message) -> Message:
    """The same with its body in it, and none beside."""
    if not message.body:
        return message
    envelope = orjson.loads(message.item)
    del envelope["headers"][wire.STORED]
    envelope["body"] = pybase64.b64encode_as_string(message.body)
    return replace(message, item=orjson.dumps(envelope), body=b"")


def parts(images: Sequence[bytes]) -> list[list[bytes]]:
    """A list in as many as it needs, for messages that no server refuses for their size."""
    made: list[list[bytes]] = []
    room = 0
    for image in images:
        if not made or len(image) > room:
            made.append([])
            room = _MOST_BYTES
        made[-1].append(image)
        room -= len(image)
    return made


def revoke(*task_ids: str) -> bytes:
    """The remote-control command that has workers not read captchas."""
    command = {
        "method": "revoke",
        "arguments": {
            # As Celery says it of one, and of several.
            "task_id": task_ids[0] if len(task_ids) == 1 else task_ids,
            "terminate": False,
            "signal": "SIGTERM",
        },
        "destination": None,
        "pattern": None,
        "matcher": None,
    }
    return _envelope(msgpack.packb(command), {"clock": 0}, exchange="celery.pidbox", routing_key="")


def outcome(meta: dict[str, Any]) -> dict[str, Any] | list[dict[str, Any]]:
    """The result in what Celery's backend stores; raises what the worker found wrong."""
    if meta["status"] == "SUCCESS":
        result: dict[str, Any] | list[dict[str, Any]] = meta["result"]
        return result
    error = meta["result"]
    why = " ".join(map(str, error.get("exc_message", ())))
    if meta["status"] == "REVOKED":
        raise Revoked(why)
    raise _error(error.get("exc_type", ""), why)


def answer(result: dict[str, Any]) -> Answer | TilefleetError:
    """An answer, or the error that stands in the place of one in a list."""
    if "error" in result:
        return _error(result["error"]["type"], result["error"]["message"])
    return Answer.decode(result)


def _error(name: str, why: str) -> TilefleetError:
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, TilefleetError):
        return kind(why)
    return EngineError(f"the worker failed: {name}: {why}")


def _task(
    name: str,
    argument: object,
    lane: str,
    now: float,
    expires: float,
    described: str,
    more: Mapping[str, str],
    task_id: str,
    beside: bool = False,
) -> Message:
    task_id = task_id or str(uuid4())
    try:
        until = datetime.fromtimestamp(now + expires, UTC)
    except (ValueError, OverflowError, OSError):
        raise BadMessage(f"a captcha cannot expire in {expires:g} s: no date is then") from None
    embed = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    headers = {
        "lang": "py",
        "task": name,
        "id": task_id,
        "root_id": task_id,
        "parent_id": None,
        "group": None,
        "retries": 0,
        "timelimit": [None, None],
        "eta": None,
        "expires": until.isoformat(),
        "argsrepr": described,
        "kwargsrepr": "{}",
        "ignore_result": False,
        wire.SENT_AT: round(now, 3),
        **more,
    }
    route = {"exchange": "", "routing_key": lane, "correlation_id": task_id}
    body = msgpack.packb([[argument], {}, embed])
    if beside and len(body) >= _BESIDE_BYTES:
        stub, stored = msgpack.packb([[wire.BESIDE], {}, embed]), {wire.STORED: len(body)}
        item = _envelope(stub, headers | stored, **route)
        # When it comes back it is longer: kombu has written it, with spaces and escapes.
        if len(item) <= wire.MOST_BESIDE_BYTES // 2:
            return Message(task_id, lane, item, expires, body)
    return Message(task_id, lane, _envelope(body, headers, **route), expires)


def _envelope(
    body: bytes, headers: dict[str, Any], *, exchange: str, routing_key: str, **properties: Any
) -> bytes:
    envelope = orjson.dumps(
        {
            "content-encoding": "binary",
            "content-type": "application/x-msgpack",
            "headers": headers,
            "properties": {
                "body_encoding": "base64",
                "delivery_mode": 2,
                "delivery_info": {"exchange": exchange, "routing_key": routing_key},
                "delivery_tag": str(uuid4()),
                "priority": 0,
                **properties,
            },
        }
    )
    # Put in as it is: base64 has nothing to escape, and to look for it takes most of the time.
    # Joined, for `%` lets half a megabyte grow, in pages that the system clears anew each time.
    return b"".join((b'{"body":"', pybase64.b64encode(body), b'",', envelope[1:]))
