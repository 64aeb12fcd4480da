"""An event loop in a thread of its own, for programs that have none."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from tilefleet.errors import FleetUnreachable

T = TypeVar("T")


class Background:
    """Runs coroutines for any thread; its thread ends with the program."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="tilefleet-client", daemon=True)
        self._thread.start()

    def start(self, coroutine: Coroutine[Any, Any, T]) -> "Future[T]":
        """Begin it; cancelling the future cancels it. Raises FleetUnreachable once stopped."""
        if self.loop.is_closed():
            coroutine.close()
            raise FleetUnreachable("the client was closed")
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def call(self, function: Callable[[], None]) -> None:
        """Have the loop call it; nothing happens once stopped."""
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(function)

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run it to its end; whatever interrupts the waiting thread cancels it."""
        future = self.start(coroutine)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def stop(self) -> None:
        """End the thread; what still runs is given up."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()

    def _run(self) -> None:
        self.loop.run_forever()
        self.loop.close()
