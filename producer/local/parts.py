"""The parts of ``tilefleet up``, kept going until somebody or something ends them."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from threading import Thread, Timer
from typing import Any

import click

from producer.local.process import Output, Process, ending
from producer.local.server import EmbeddedServer


class Parts:
    """Started, started again where they end by themselves, and ended in order."""

    def __init__(self, parts: list[Process], output: Output, *, greeting: list[str]) -> None:
        """`parts` in the order in which they end; `greeting` is shown when all are ready."""
        self._parts = parts
        self._output = output
        self._greeting = greeting
        self._events: SimpleQueue[tuple[str, Any]] = SimpleQueue()
        self._stopping = False

    def watch_server(self, server: EmbeddedServer) -> None:
        def wait() -> None:
            server.wait()
            self._events.put(("server ended", None))

        Thread(target=wait, name="server", daemon=True).start()

    def run(self) -> int:
        """Start all, keep them going, end them; gives the exit code."""
        with self._signals():
            try:
                self._start_followers_of("")
                return self._supervise()
            finally:
                self._stopping = True
                for part in self._parts:
                    self._end(part)

    def _supervise(self) -> int:
        while True:
            what, about = self._events.get()
            if what == "signal":
                return 0
            if what == "server ended":
                self._output.say("server", "is gone, and with it what waited: all ends")
                return 1
            if what == "ready":
                about.was_ready = True
                self._output.say(about.name, click.style("ready", bold=True))
                self._start_followers_of(about.name)
                self._greet()
            elif what == "start":
                about.start(self._output, self._events)
            elif what == "ended" and not self._ended(about):
                return 1

    def _start_followers_of(self, name: str) -> None:
        for part in self._parts:
            if part.follows == name and part.process is None:
                part.start(self._output, self._events)

    def _greet(self) -> None:
        """Once, when nothing is missing."""
        if self._greeting and all(part.was_ready for part in self._parts):
            with suppress(OSError):
                click.echo("\n" + "\n".join(self._greeting) + "\n")
            self._greeting = []

    def _ended(self, part: Process) -> bool:
        """Whether to go on."""
        assert part.process is not None
        how = ending(part.process.returncode)
        if part.was_ready:
            pause = part.next_pause()
            self._output.say(part.name, f"{how}; it is started again in {pause:g} s")
            timer = Timer(pause, self._events.put, [("start", part)])
            timer.daemon = True
            timer.start()
            return True
        if part.needed:
            self._output.say(part.name, f"{how} before it was ready: all ends")
            return False
        self._output.say(part.name, f"{how} before it was ready; the others go on without it")
        self._parts.remove(part)
        self._greet()
        return True

    def _end(self, part: Process) -> None:
        running = part.process is not None and part.process.poll() is None
        if running:
            self._output.say(part.name, "ends …")
        part.stop(self._output)
        if running and part.process is not None:
            code = part.process.returncode
            # What it was asked to do.
            self._output.say(part.name, ending(0 if code == -signal.SIGTERM else code))

    @contextmanager
    def _signals(self) -> Iterator[None]:
        def handle(*_: object) -> None:
            if self._stopping:
                for part in self._parts:
                    part.kill()
            self._stopping = True
            self._events.put(("signal", None))

        wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.signal(number, handle) for number in wanted}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
