"""How long callbacks hold an event loop, and a gateway inside of this process to watch."""

import asyncio
import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import thread_time

import httpx
import uvicorn

from producer.gateway import server
from producer.gateway.app import Gateway
from producer.gateway.connection import memory
from producer.gateway.connection.protocol import Protocol
from tests.support.running.fleet import wait_until
from tilefleet.settings import Settings


class Watchdog:
    """The longest that one callback of a thread's loop has computed: its own time, as others may
    have the processor meanwhile."""

    def __init__(self) -> None:
        self.worst_s, self.worst = 0.0, ""

    @contextmanager
    def on(self, thread: threading.Thread) -> Iterator[None]:
        run = asyncio.events.Handle._run
        watchdog = self

        def timed(handle: asyncio.Handle) -> None:
            begun = thread_time()
            run(handle)
            took = thread_time() - begun
            if threading.current_thread() is thread and took > watchdog.worst_s:
                watchdog.worst_s, watchdog.worst = took, repr(handle)

        asyncio.events.Handle._run = timed
        try:
            yield
        finally:
            asyncio.events.Handle._run = run


@contextmanager
def watched_gateway(url: str) -> Iterator[tuple[httpx.Client, Watchdog]]:
    """A gateway on asyncio's own loop, which can be watched; uvloop's cannot."""
    (listening,) = server.listen("127.0.0.1", 0)
    app = Gateway(Settings(broker_url=url, result_backend=url))
    config = uvicorn.Config(
        app, http=Protocol, loop="asyncio", ws="none", log_config=None, proxy_headers=False
    )
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]}, daemon=True)
    watchdog, usual = Watchdog(), gc.get_threshold()
    with watchdog.on(thread):
        thread.start()
        try:
            wait_until(lambda: running.started)
            # As `memory.settle` does it: what the tests have loaded is no gateway's.
            gc.collect()
            gc.freeze()
            gc.set_threshold(memory._YOUNG, *usual[1:])
            address = f"http://127.0.0.1:{listening.getsockname()[1]}"
            with httpx.Client(base_url=address, timeout=60) as client:
                yield client, watchdog
        finally:
            gc.set_threshold(*usual)
            gc.unfreeze()
            running.should_exit = True
            thread.join(20)
