"""What a message has to look like before anything of Celery's works with it.

Celery relies on the types that its own senders write. A message by hand may have any: some of them
end the worker, others are never acknowledged. What else may be wrong, Celery finds itself.
"""

from collections.abc import Callable
from typing import Any, Final

from celery.app.task import Context
from kombu.serialization import TRUSTED_CONTENT

from tilefleet.errors import BadMessage

#: Longest task id, and longest name, that is believed; Celery's own ids have 36 characters.
_LONGEST: Final = 200


def readable(text: object) -> bool:
    """Whether it is short text that can be stored and logged: no lone surrogates, no new lines."""
    return isinstance(text, str) and 0 < len(text) <= _LONGEST and text.isprintable()


def unpack(message: Any) -> Any:
    """The body of a message, decoded; raises BadMessage, or what kombu's decoders raise."""
    if not isinstance(message.body, bytes | str):
        raise BadMessage(f"its body is {type(message.body).__name__}, not text")
    # kombu accepts these always, and decodes them by any codec that Python knows: bz2, punycode.
    if not message.content_type or message.content_type in TRUSTED_CONTENT:
        raise BadMessage("its content type is none of a task")
    return message.payload


def check(headers: object, body: object) -> None:
    """Raise BadMessage if it is no task that Celery can work with."""
    if not isinstance(headers, dict):
        raise BadMessage(f"its headers are {type(headers).__name__}")
    if isinstance(body, dict):
        # Celery's first protocol, or a mixture: everything is in the body.
        fields = {"args": (), "kwargs": {}, **headers, **body}
    elif isinstance(body, list | tuple) and len(body) == 3:
        args, kwargs, embed = body
        if embed and not isinstance(embed, dict):
            raise _unusable("embed", embed)
        fields = {**headers, **(embed or {}), "args": args, "kwargs": kwargs}
    else:
        raise BadMessage("its body is not arguments, keyword arguments and what else to do")
    if "task" not in fields:
        raise BadMessage("it names no task")
    if not _STRINGS.issuperset(map(type, fields)):
        raise BadMessage("a field's name is no text")
    if not _TAKEN.isdisjoint(fields):
        raise BadMessage(f"it has fields that are Celery's own: {sorted(_TAKEN & fields.keys())}")
    for name, fits in _FIELDS.items():
        value = fields.get(name)
        if (value is not None or name in _NEEDED) and not fits(value):
            raise _unusable(name, value)


def _unusable(name: str, value: object) -> BadMessage:
    return BadMessage(f"its {name} cannot be used: {type(value).__name__}")


def _list(value: object) -> bool:
    return isinstance(value, list | tuple)


def _dict(value: object) -> bool:
    return isinstance(value, dict)


def _signature(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("task"), str)
        and isinstance(value.get("args", ()), list | tuple)
        and isinstance(value.get("kwargs", {}), dict)
        and isinstance(value.get("options", {}), dict)
    )


def _signatures(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(map(_signature, value))


def _limits(value: Any) -> bool:
    """Seconds, hard and soft."""
    return (
        isinstance(value, list | tuple)
        and len(value) == 2
        and all(each is None or isinstance(each, int | float) for each in value)
    )


def _names(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)


_Fits = Callable[[Any], bool]

_FIELDS: Final[dict[str, _Fits]] = {
    "task": readable,
    "id": readable,
    "args": _list,
    "kwargs": _dict,
    "shadow": readable,
    "root_id": readable,
    "parent_id": readable,
    "group": readable,
    "taskset": readable,
    "headers": _dict,
    "retries": lambda value: isinstance(value, int),
    "timelimit": _limits,
    "stamped_headers": _names,
    "stamps": _dict,
    "callbacks": _signatures,
    "errbacks": _signatures,
    "chain": _signatures,
    "chord": _signature,
}

#: The others may be None, or not there.
_NEEDED: Final = frozenset({"task", "id", "args", "kwargs"})

_STRINGS: Final = frozenset({str})

#: A message's fields become attributes of Celery's `Context`, over its methods if they are called
#: so. The outcome is what the engine room tells the task's body.
_TAKEN: Final = frozenset(
    name for name in dir(Context) if name.startswith("_") or callable(getattr(Context, name))
) | {"outcome"}
