"""A part of ``tilefleet up``: one process, what it prints, and starting it again."""

import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from queue import SimpleQueue
from threading import Lock, Thread
from time import monotonic, sleep
from typing import Any, Final

import click

from producer.terminal import verbosity

#: Seconds in which a part has to be ready.
_READY_S: Final = 120.0
#: Pauses before a part is started again, seconds; from the first again if it has lived for a while.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _A_WHILE_S = 1.0, 30.0, 60.0
#: Seconds that a part other than the worker may take to end.
STOP_S: Final = 10.0

_COLOURS: Final = {"server": "yellow", "worker": "green", "flower": "magenta", "gateway": "cyan"}


class Output:
    """Lines of several parts on one screen, each with who says it."""

    def __init__(self) -> None:
        self._lock = Lock()
        # Threads have no context of click's to ask.
        self._colour = verbosity.colour()
        self._width = max(map(len, _COLOURS))

    def say(self, part: str, text: str) -> None:
        name = click.style(f"{part:<{self._width}}", fg=_COLOURS.get(part))
        # A terminal that is gone must not keep the parts from being ended.
        with self._lock, suppress(OSError):
            click.echo(f"{name} {click.style('│', dim=True)} {text}", color=self._colour)


class Process:
    """One process, started again and again if need be."""

    def __init__(
        self,
        name: str,
        command: list[str],
        environ: Mapping[str, str],
        *,
        is_ready: Callable[[int], bool],
        stop_s: float = STOP_S,
        needed: bool = True,
        follows: str = "",
    ) -> None:
        """`is_ready` is asked about the process of that id.

        `needed`: all ends if it never comes up. `follows`: started when that part is ready.
        """
        self.name, self.needed, self.follows = name, needed, follows
        self.was_ready = False
        self.pause_s = _FIRST_PAUSE_S
        self.process: subprocess.Popen[bytes] | None = None
        self._command, self._environ = command, environ
        self._is_ready, self._stop_s = is_ready, stop_s
        self._began = 0.0

    def start(self, output: Output, events: "SimpleQueue[tuple[str, Any]]") -> None:
        """Start it; `events` gets ("ready", part), and ("ended", part) when it is over."""
        self._began = monotonic()
        # A session of its own: Ctrl-C is for this program, which ends its parts in order.
        process = subprocess.Popen(
            self._command,
            env={**os.environ, **self._environ, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.process = process

        def read() -> None:
            assert process.stdout is not None
            for line in process.stdout:
                if text := line.decode(errors="replace").rstrip():
                    output.say(self.name, text)
            process.wait()
            events.put(("ended", self))

        def look() -> None:
            while process.poll() is None and monotonic() < self._began + _READY_S:
                if self._is_ready(process.pid):
                    events.put(("ready", self))
                    return
                sleep(0.1)
            if process.poll() is None:
                output.say(self.name, f"not ready within {_READY_S:g} s")
                process.kill()

        for job in (read, look):
            Thread(target=job, name=f"{self.name}-{job.__name__}", daemon=True).start()

    def next_pause(self) -> float:
        """Seconds to wait before it is started again."""
        if monotonic() - self._began > _A_WHILE_S:
            self.pause_s = _FIRST_PAUSE_S
        pause, self.pause_s = self.pause_s, min(self.pause_s * 2, _LONGEST_PAUSE_S)
        return pause

    def stop(self, output: Output) -> None:
        """Ask it to end, and see to it."""
        process = self.process
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(self._stop_s)
        except subprocess.TimeoutExpired:
            output.say(self.name, f"did not end within {self._stop_s:g} s: killed")
            self.kill()
            process.wait()

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()


def ending(code: int | None) -> str:
    """How a process with that return code has ended, in words."""
    if code is not None and code < 0:
        with suppress(ValueError):
            return f"ended by {signal.Signals(-code).name}"
    return "ended" if code == 0 else f"ended with exit code {code}"
