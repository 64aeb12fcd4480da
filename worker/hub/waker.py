"""Lets threads call the hub thread.

`Hub.call_soon` is not enough: what a callback schedules there (Celery's acknowledgements, the
flush of events) waits until the next socket event, up to a second on an idle worker. A readable
socket's callback has no such gap: the hub goes through what is scheduled right after it.
"""

import signal
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
        self._hears_signals = False

    def fileno(self) -> int:
        return self._reader.fileno()

    def wake(self) -> None:
        # Full means that it has been woken often enough; closed, that nobody listens any more.
        with suppress(OSError):
            self._writer.send(b"\0")

    def wake_on_signals(self) -> None:
        """Have signals wake it too, where this is the thread that gets them.

        What a handler sets (Celery's: that the worker is to stop) is looked at when the hub's loop
        turns, up to a second later on an idle worker: the wait goes on after a handler.
        """
        with suppress(ValueError):
            signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
            self._hears_signals = True

    def leave_signals(self) -> None:
        """The hub does not turn any more."""
        if self._hears_signals:
            signal.set_wakeup_fd(-1)
            self._hears_signals = False

    def drain(self) -> None:
        with suppress(OSError):
            self._reader.recv(4096)

    def wait(self, timeout: float) -> Any:
        """Wait until it is woken or `timeout` seconds have passed; for when no hub runs."""
        return select([self._reader], [], [], timeout)[0]
