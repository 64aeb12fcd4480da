"""An end for calls that have none of their own: several reads, each with a timeout, add up."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotDone
from typing import TypeVar

from tilefleet.errors import FleetUnreachable

T = TypeVar("T")


def within(seconds: float, call: Callable[[], T], *, server: str) -> T:
    """What `call` gives or raises; FleetUnreachable after that many seconds.

    It runs in a thread of its own, which may stay behind until its connection ends; it does not
    keep the program from ending.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            result = call()
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=run, name="tilefleet-call", daemon=True).start()
    try:
        return future.result(seconds)
    except NotDone:
        if future.done():
            # The call's own.
            raise
        raise FleetUnreachable(f"{server}: it said nothing within {seconds:g} s") from None
