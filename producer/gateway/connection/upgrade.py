"""The body of a request that asks for another protocol, and does not get it.

Java's client asks for HTTP/2 with its first request, whatever it sends. httptools takes what
follows such a head for the other protocol: a picture would be no body, and its bytes requests.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import httptools

#: What says that there is a body, and how long it is.
_OF_BODIES = (b"content-length", b"transfer-encoding")


def body_head(version: str, headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """The head of a request with the same body that asks for nothing else; None: it has none."""
    fields = [b"%b: %b\r\n" % each for each in headers if each[0] in _OF_BODIES]
    if not fields:
        return None
    return b"".join([b"POST / HTTP/%b\r\n" % version.encode(), *fields, b"\r\n"])


def parser(protocol: Any) -> Any:
    """As uvicorn makes a connection's."""
    made = httptools.HttpRequestParser(protocol)
    with suppress(AttributeError):
        made.set_dangerous_leniencies(lenient_data_after_close=True)
    return made
