"""Lets threads call the hub thread.

`Hub.call_soon` is not enough: what a callback schedules there (Celery's acknowledgements, the
flush of events) waits until the next socket event, up to a second on an idle worker. A readable
socket's callback has no such gap: the hub goes through what is scheduled right after it.
"""

import socket
from contextlib import suppress
from select import select
from typing import Any


class Waker:
    """A socket pair; wake the hub on any thread."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    def fileno(self) -> int:
        return self._reader.fileno()

    def wake(self) -> None:
        # Full means that it has been woken often enough; closed, that nobody listens any more.
        with suppress(OSError):
            self._writer.send(b"\0")

    def drain(self) -> None:
        with suppress(OSError):
            self._reader.recv(4096)

    def wait(self, timeout: float) -> Any:
        """Wait until it is woken or `timeout` seconds have passed; for when no hub runs."""
        return select([self._reader], [], [], timeout)[0]
