"""The head of a reply as HTTP's first servers wrote it: ``Content-Type``, not ``content-type``.

To HTTP they are the same; clients that look for bytes in what came know the first only. uvicorn
writes all names in small letters.
"""

from typing import Any


def title(cycle: Any) -> None:
    """Let this reply's head, which is what it writes next, have such names."""
    cycle.transport = _Titling(cycle)


class _Titling:
    """In the transport's place for one write."""

    def __init__(self, cycle: Any) -> None:
        self._cycle, self._transport = cycle, cycle.transport

    def write(self, head: bytes) -> None:
        self._cycle.transport = self._transport
        first, *fields = head.split(b"\r\n")
        self._transport.write(b"\r\n".join([first, *map(_titled, fields)]))


def _titled(field: bytes) -> bytes:
    name, colon, value = field.partition(b":")
    return name.title() + colon + value
