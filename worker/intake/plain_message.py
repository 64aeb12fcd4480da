"""Which messages ask for a captcha's answer and for nothing else: known by what is in them.

What is not plain by a hair's breadth is not plain: Celery's way knows what to do with it.
"""

from datetime import datetime
from typing import Any, Final, NamedTuple

import msgpack
from kombu.utils.json import loads

from tilefleet import wire
from worker.intake.validation import readable

#: What Celery's senders and ours write where no link, chain or chord is asked for.
NO_EMBED: Final = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
#: Headers that ask for something: nothing, as Celery's senders write it.
_NOTHING: Final[dict[str, Any]] = {
    **dict.fromkeys(("eta", "shadow", "group", "group_index", "stamped_headers")),
    "retries": 0,
    "replaced_task_nesting": 0,
    "timelimit": [None, None],
}
#: Headers that ask for nothing, whatever they are: nobody reads what a sender writes there.
_READ_BY_NOBODY: Final = frozenset({"lang", "argsrepr", "kwargsrepr", "origin", wire.SENT_AT})
_KNOWN: Final = frozenset(
    {"task", "id", "root_id", "parent_id", "expires", "ignore_result", "stamps"}
    | _NOTHING.keys()
    | _READ_BY_NOBODY
)
_MSGPACK: Final = "application/x-msgpack"
_JSON: Final = "application/json"


class PlainMessage(NamedTuple):
    """What such a message says."""

    #: The task's name.
    task: str
    id: str
    #: The image, or the images, or what a sender has put in their place.
    argument: object
    #: By the server's clock.
    expires: datetime | None
    headers: dict[str, Any]
    properties: dict[str, Any]


def read(body: bytes, rest: dict[str, Any], accept: frozenset[str]) -> PlainMessage | None:
    """What a message says if it is plain.

    `rest`: its envelope (`worker.transport.message.unwrap`). `accept`: content types that are read.
    """
    headers, properties = rest["headers"], rest["properties"]
    info = properties.get("delivery_info")
    if not headers.keys() <= _KNOWN or type(info) is not dict or info.get("redelivered"):
        return None
    get = headers.get
    task_id = get("id")
    for name, nothing in _NOTHING.items():
        if (value := get(name)) is not None and value != nothing:
            return None
    task = get("task")
    if not (
        isinstance(task, str)
        and readable(task_id)
        and _is_id(get("root_id"), task_id)
        and _is_id(get("parent_id"), task_id)
        and get("stamps") in (None, {})
        and get("ignore_result") in (None, True, False)
    ):
        return None
    try:
        expires = _moment(get("expires"))
        args, kwargs, embed = _decoded(body, rest, accept)
    except Exception:
        # Of any class, as in kombu's decoders: Celery's way finds it again, and says what it is.
        return None
    if embed != NO_EMBED or kwargs != {} or type(args) not in (list, tuple) or len(args) != 1:
        return None
    return PlainMessage(task, task_id, args[0], expires, headers, properties)


def _is_id(value: object, task_id: str) -> bool:
    return value is None or value == task_id or readable(value)


def _moment(value: Any) -> datetime | None:
    """Raises ValueError or TypeError where Celery has to look at it."""
    if value is None:
        return None
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError("of whichever zone Celery's settings say")
    return moment


def _decoded(body: bytes, rest: dict[str, Any], accept: frozenset[str]) -> Any:
    """As kombu does, without going through its registry."""
    kind = rest["content-type"]
    if kind not in accept:
        raise ValueError("not accepted")
    if kind == _MSGPACK and rest["content-encoding"] == "binary":
        return msgpack.unpackb(body, raw=False)
    if kind == _JSON and rest["content-encoding"] == "utf-8":
        return loads(body)
    raise ValueError("no encoding of Celery's senders")
