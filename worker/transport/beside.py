"""Bodies beside their messages (`tilefleet.wire.STORED`): fetched once their messages are claimed.

A plain command gives them: what a script takes off a list and records is copied ten times, and
hashed twice byte by byte, on the server's one thread (`python -m benchmarks.lists`).
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from redis.exceptions import ResponseError

from tilefleet import wire
from worker.transport.claim import Claimed

logger = logging.getLogger(__name__)

_HEADER = f'"{wire.STORED}"'.encode()


def body_key(text: bytes) -> str | None:
    """The key of a message's body; None where that is in the message, as most are."""
    if len(text) > wire.MOST_BESIDE_BYTES or _HEADER not in text:
        return None
    try:
        headers = orjson.loads(text)["headers"]
        task_id = headers["id"]
        # Its size is for the claim's script: a sender cannot say where its body is.
        return wire.body_key(task_id) if wire.STORED in headers and task_id else None
    except (ValueError, LookupError, TypeError):
        # Whatever it is, it is told like any other that is no task.
        return None


def fetch(
    channel: Any, claimed: Sequence[Claimed]
) -> tuple[Sequence[Claimed], Mapping[str, bytes | None]]:
    """What of a claim can be delivered, and by their tags the bodies that are beside.

    One that is there no more is None. Where the account may not read them their messages stay
    claimed, to be another's after the lease. Raises redis-py's errors of a connection.
    """
    keys = {each.tag: key for each in claimed if (key := body_key(each.text)) is not None}
    if not keys:
        return claimed, {}
    channel.qos.beside.update(keys)
    try:
        with channel.conn_or_acquire() as client:
            found = client.execute_command("MGET", *channel.prefixed([*keys.values()]))
    except ResponseError as error:
        count = len(keys)
        logger.warning("%d messages stay claimed: their bodies cannot be read: %s", count, error)
        for tag in keys:
            del channel.qos.beside[tag]
            channel.qos.on_top.discard(tag)
        return [each for each in claimed if each.tag not in keys], {}
    return claimed, dict(zip(keys, found, strict=True))


def put_in(payload: dict[str, Any], body: bytes) -> None:
    """Make of a message, read as JSON, what it would be with its body in it."""
    payload["body"] = body
    payload["properties"]["body_encoding"] = None
    payload["headers"].pop(wire.STORED, None)
