"""Ctrl-C for commands that compute for long inside libraries."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread

from producer.terminal.group import STOPPED


@contextmanager
def ends_at_once(last_words: Callable[[], str]) -> Iterator[None]:
    """Within it, Ctrl-C ends this process and its children at once, with exit code 130.

    Python's own KeyboardInterrupt waits until a library gives control back, which may be many
    seconds, and then for the library's threads. So what is on disk has to be whole at any moment.
    `last_words` are written to the standard error. For the main thread.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    # Python writes the signal's number into the pipe before the main thread knows of it.
    handler = signal.signal(signal.SIGINT, lambda *_: None)
    wakeup = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)

    def wait() -> None:
        while number := os.read(reading, 1):
            if number[0] == signal.SIGINT:
                _end(last_words())

    waiting = Thread(target=wait, name="tilefleet-interrupt", daemon=True)
    waiting.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup)
        signal.signal(signal.SIGINT, handler)
        os.close(writing)
        waiting.join()
        os.close(reading)


def _end(last_words: str) -> None:
    for child in multiprocessing.active_children():
        child.kill()
    sys.stdout.flush()
    os.write(2, f"\n{last_words}\n".encode(errors="replace"))
    os._exit(STOPPED)
