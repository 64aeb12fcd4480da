"""Lets threads call the hub thread.

`Hub.call_soon` is not enough: what a callback schedules there (Celery's acknowledgements, the
flush of events) waits until the next socket event, up to a second on an idle worker. A readable
socket's callback has no such gap: the hub goes through what is scheduled right after it.
"""

import socket
from contextlib import suppress
from select import select
from typing import Any


class Bell:
    """A socket pair; ring it on any thread."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    def fileno(self) -> int:
        return self._reader.fileno()

    def ring(self) -> None:
        # Full means that it has been rung often enough; closed, that nobody listens any more.
        with suppress(OSError):
            self._writer.send(b"\0")

    def hush(self) -> None:
        with suppress(OSError):
            self._reader.recv(4096)

    def wait(self, timeout: float) -> Any:
        """Wait until it rings or `timeout` seconds have passed; for when no hub runs."""
        return select([self._reader], [], [], timeout)[0]
