"""Computing beside others in one process, with the processor time that these leave."""

import os
from collections.abc import Callable
from contextlib import suppress
from threading import Thread, get_native_id


def run(work: Callable[[], object]) -> None:
    """Run `work` to its end while every other thread goes first; raises what it raises.

    Only for work that releases the interpreter's lock (GIL): all other threads wait for a thread
    of this priority that holds it and that they keep from the processor. A thread of its own,
    because one that is not root's can lower its priority and not raise it again. Where the system
    has no such priority, or does not allow it, this is computed as anything else.
    """
    failed: list[BaseException] = []

    def main() -> None:
        _yield_to_others()
        try:
            work()
        except BaseException as error:
            failed.append(error)

    thread = Thread(target=main, name="background", daemon=True)
    thread.start()
    thread.join()
    if failed:
        raise failed.pop()


def _yield_to_others() -> None:
    """Linux: this thread alone, though `os` speaks of processes."""
    with suppress(AttributeError, OSError):
        os.sched_setscheduler(get_native_id(), os.SCHED_IDLE, os.sched_param(0))
