"""An event loop in a thread of its own, for programs that have none."""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

from tilefleet.errors import FleetUnreachable

from .results import stop

T = TypeVar("T")

_CLOSED = "the client was closed"


class Background:
    """Runs coroutines for any thread; its thread ends with the program."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._process = os.getpid()
        #: Held to begin something, and to end: nothing is begun that nobody ends.
        self._ending = threading.Lock()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="tilefleet-client", daemon=True)
        self._thread.start()

    def start(self, coroutine: Coroutine[Any, Any, T]) -> "Future[T]":
        """Begin it; cancelling the future cancels it. Raises FleetUnreachable once stopped, and in
        a child, where the thread is not."""
        why = _CLOSED
        if self._process != os.getpid():
            why = f"it is process {self._process}'s, which forked this one since: ask there"
        else:
            with self._ending:
                if not self._ended:
                    return asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        coroutine.close()
        raise FleetUnreachable(why)

    def call(self, function: Callable[[], None]) -> None:
        """Have the loop call it; nothing happens once stopped, and in a child."""
        if self._process == os.getpid():
            with self._ending:
                if not self._ended:
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

    def stop(self) -> None:
        """End the thread; what still runs is given up."""
        self.call(self.loop.stop)
        self._thread.join()

    def _run(self) -> None:
        self.loop.run_forever()
        with self._ending:
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
