"""An event loop in a thread of its own, for programs that have none."""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from inspect import CORO_CREATED, getcoroutinestate
from typing import Any, TypeVar

from tilefleet.errors import FleetUnreachable

from .cancelling import stop

T = TypeVar("T")

_CLOSED = "the client was closed"


class Background:
    """Runs coroutines for any thread; its thread ends with the program."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._process = os.getpid()
        #: Whether what is begun from now on may find nobody who does it.
        self._ended = False
        self._last: asyncio.Task[Any] | None = None
        self._thread = threading.Thread(target=self._run, name="tilefleet-client", daemon=True)
        self._thread.start()

    def start(self, coroutine: Coroutine[Any, Any, T]) -> "Future[T]":
        """Begin it; cancelling the future cancels it. Raises FleetUnreachable once stopped, and in
        a child, where the thread is not."""
        why = _CLOSED
        if self._process != os.getpid():
            why = f"it is process {self._process}'s, which forked this one since: ask there"
        elif not self._ended:
            # A lock would be held by a thread whose collection of garbage closes this very client.
            with suppress(RuntimeError):
                future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
                if self._ended:
                    future.cancel()
                    if getcoroutinestate(coroutine) == CORO_CREATED:
                        coroutine.close()
                return future
        coroutine.close()
        raise FleetUnreachable(why)

    def call(self, function: Callable[[], None]) -> None:
        """Have the loop call it; nothing happens once stopped, and in a child."""
        if self._process == os.getpid():
            with suppress(RuntimeError):
                self.loop.call_soon_threadsafe(function)

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run it to its end; whatever interrupts the waiting thread cancels it."""
        return self.result(self.start(coroutine))

    @staticmethod
    def result(future: "Future[T]") -> T:
        """The same of one that has been begun. Raises FleetUnreachable if it was given up."""
        try:
            return future.result()
        except CancelledError:
            raise FleetUnreachable(_CLOSED) from None
        except BaseException:
            future.cancel()
            raise

    def end(self, last: Coroutine[Any, Any, None]) -> None:
        """Run this, and end the thread; what still runs is given up."""
        if threading.current_thread() is self._thread:
            # It collects the garbage that the client has become, and cannot wait for itself.
            self._last = self.loop.create_task(last)
            self._last.add_done_callback(lambda _: self.loop.stop())
            return
        with suppress(FleetUnreachable):
            # Another thread may end it, too.
            self.wait(last)
        self.call(self.loop.stop)
        self._thread.join()

    def _run(self) -> None:
        self.loop.run_forever()
        self._ended = True
        self.loop.run_until_complete(_give_up())
        self.loop.close()


async def _give_up() -> None:
    """Whoever waits for anything that is not done waits no longer."""
    # What was begun last is a task only after another turn.
    await asyncio.sleep(0)
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*map(stop, others))
    await asyncio.sleep(0)
