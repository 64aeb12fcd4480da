"""JSON as kombu writes it for all who read, by a library made for it (`benchmarks.shortcuts`).

What it cannot write, kombu does.
"""

from typing import Any, Final

import orjson
from kombu.serialization import register, registry
from kombu.utils.json import dumps

#: Name of the serializer; what it writes is ``application/json`` to everyone.
NAME: Final = "fast-json"


def encode_bytes(value: Any) -> bytes:
    """JSON in UTF-8."""
    try:
        return orjson.dumps(value)
    except TypeError:
        text: str = dumps(value)
        return text.encode()


def encode(value: Any) -> str:
    """JSON text."""
    return encode_bytes(value).decode()


def install() -> None:
    register(NAME, encode, None, "application/json", "utf-8")
    # The type keeps the name that settings of accepted content know.
    registry.type_to_name["application/json"] = "json"
