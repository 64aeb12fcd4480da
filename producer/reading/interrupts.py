"""Ctrl-C while captchas are read."""

import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager


class Interrupts(AbstractContextManager["Interrupts"]):
    """Remembers Ctrl-C: Python drops an exception that is raised in a `__del__` or a callback."""

    def __enter__(self) -> "Interrupts":
        self._came = self._wait = False
        self._before = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def check(self) -> None:
        """Raises KeyboardInterrupt if there was one."""
        if self._came:
            raise KeyboardInterrupt

    @contextmanager
    def later(self) -> Iterator[None]:
        """What is done in here is not interrupted; `check` afterwards."""
        self._wait = True
        try:
            yield
        finally:
            self._wait = False

    def _interrupt(self, *_: object) -> None:
        self._came = True
        if not self._wait:
            raise KeyboardInterrupt
