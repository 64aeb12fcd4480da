"""Starts workers, starts again what ends, passes signals on, and shows how all of them are.

One thread, which waits for signals and for the end of a child: it may fork at any time.

=================  ===========================================================================
SIGTERM, SIGINT,   to each worker, which does what Celery documents (warm, soft or cold shutdown);
SIGQUIT            nothing is started any more. Again: passed on again
SIGHUP             one worker after the other is stopped in order and started anew; from a terminal
                   that is closed: as SIGTERM
SIGUSR1            to each worker: it logs what its threads do
=================  ===========================================================================

A worker that ends by itself is started again, after growing pauses. If none has ever been ready,
whatever is wrong would be wrong again: all end, with its exit code.
"""

import logging
import os
import select
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Any, Final

from worker.supervisor.child import HANDLED, Child
from worker.supervisor.health import HANGS_S, Shown, Signs

logger = logging.getLogger(__name__)

#: Seconds between looks at what workers show.
_LOOK_S: Final = 0.5
#: Seconds by which an end in order may take longer than workers may take to finish.
MARGIN_S: Final = 10.0

_ENDINGS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


class Supervisor:
    """Belongs to the process that makes it; `run` returns its exit code."""

    def __init__(
        self,
        workers: Sequence[tuple[Child, Signs]],
        helpers: Sequence[Child],
        shown: Shown,
        *,
        shutdown_s: float,
        restarted: Callable[[int], None],
    ) -> None:
        """`helpers` are processes beside the workers, which end last. `restarted` is told how many
        workers have been started again."""
        self._signs = dict(workers)
        self._workers = list(self._signs)
        self._helpers = list(helpers)
        self._shown = shown
        self._shutdown_s = shutdown_s
        self._restarted = restarted
        self._restarts = 0
        self._signals: deque[int] = deque()
        #: Workers that are to be started anew; the one that is now, and the process that it had.
        self._renewing: deque[Child] = deque()
        self._renewal: tuple[Child, int] | None = None
        self._ever_ready = False
        #: When what still runs is killed; None while nothing ends.
        self._deadline: float | None = None
        self._exit_code = 0

    def run(self) -> int:
        """Until a signal ends it, or no worker comes up."""
        # Breaks when this process ends, however it does.
        self._lifeline = lifeline = os.pipe()
        try:
            with self._woken_by_signals() as waker:
                while self._deadline is None or any(child.pid for child in self._workers):
                    self._start_due()
                    select.select([waker], [], [], self._wait_s())
                    self._drain(waker)
                    self._reap()
                    while self._signals:
                        self._handle(self._signals.popleft())
                    self._look()
                self._end_helpers()
        finally:
            self._shown.close()
            for end in lifeline:
                os.close(end)
        return self._exit_code

    def _start_due(self) -> None:
        if self._deadline is not None:
            return
        for child in (*self._helpers, *self._workers):
            if child.due is not None and child.due <= monotonic():
                child.start(self._lifeline)

    def _wait_s(self) -> float:
        if self._deadline is not None:
            return _LOOK_S
        due = [child.due for child in (*self._helpers, *self._workers) if child.due is not None]
        return max(0.0, min([_LOOK_S, *(each - monotonic() for each in due)]))

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for child in (*self._helpers, *self._workers):
                if child.pid == pid:
                    self._ended(child, os.waitstatus_to_exitcode(status))

    def _ended(self, child: Child, code: int) -> None:
        how = f"ended with exit code {code}" if code >= 0 else f"was ended by signal {-code}"
        was = child.pid
        pause = child.ended()
        if self._deadline is not None:
            # One that had not come up yet ends by the signal itself.
            asked = code in (-signal.SIGTERM, -signal.SIGINT, -signal.SIGQUIT)
            self._exit_code = self._exit_code or (0 if asked else _shell_code(code))
        elif self._renewal == (child, was):
            child.due = monotonic()
        elif code and not self._ever_ready and child in self._signs:
            logger.error("%s %s and has never been ready: all end", child.name, how)
            self._exit_code = _shell_code(code)
            self._end(signal.SIGTERM)
        else:
            logger.warning("%s %s; it is started again in %g s", child.name, how, pause)
            if child in self._signs:
                self._restarts += 1
                self._restarted(self._restarts)

    def _handle(self, number: int) -> None:
        if number == signal.SIGHUP and sys.stdin is not None and sys.stdin.isatty():
            number = signal.SIGTERM
        if number in _ENDINGS:
            self._end(number)
        elif number == signal.SIGHUP and self._deadline is None and self._renewal is None:
            logger.warning("The workers are started anew, one after the other")
            self._renewing.extend(self._workers)
        elif number == signal.SIGUSR1:
            for child in self._workers:
                # Before that, Celery does not know the signal.
                if child.was_ready:
                    child.send(number)

    def _end(self, number: int) -> None:
        if self._deadline is None:
            self._deadline = monotonic() + self._shutdown_s + MARGIN_S
            self._shown.leave()
        for child in self._workers:
            child.send(number)

    def _look(self) -> None:
        if self._deadline is not None:
            if monotonic() > self._deadline:
                for child in self._workers:
                    if child.pid:
                        logger.error("%s did not end in time: it is killed", child.name)
                    child.send(signal.SIGKILL)
            return
        ready = 0
        for child, signs in self._signs.items():
            if child.pid and signs.is_ready(child.pid):
                child.was_ready = self._ever_ready = True
                ready += 1
            if child.pid and child.was_ready and signs.silent_s() > HANGS_S:
                logger.error("%s has not moved for %g s: it is killed", child.name, HANGS_S)
                child.send(signal.SIGKILL)
        self._shown.update(ready)
        if self._renewal is not None:
            child, was = self._renewal
            if child.was_ready and child.pid != was:
                self._renewal = None
        if self._renewing and self._renewal is None:
            child = self._renewing.popleft()
            self._renewal = child, child.pid
            child.send(signal.SIGTERM)

    def _end_helpers(self) -> None:
        for child in self._helpers:
            child.send(signal.SIGKILL)
            if child.pid:
                os.waitpid(child.pid, 0)

    @contextmanager
    def _woken_by_signals(self) -> Iterator[socket.socket]:
        waker, wakes = socket.socketpair()
        waker.setblocking(False)
        wakes.setblocking(False)

        def handle(number: int, _: Any) -> None:
            if number != signal.SIGCHLD:
                self._signals.append(number)

        before = {number: signal.signal(number, handle) for number in HANDLED}
        woken = signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
        try:
            yield waker
        finally:
            signal.set_wakeup_fd(woken)
            for number, handler in before.items():
                signal.signal(number, handler)
            waker.close()
            wakes.close()

    @staticmethod
    def _drain(waker: socket.socket) -> None:
        try:
            while waker.recv(4096):
                pass
        except BlockingIOError:
            pass


def _shell_code(code: int) -> int:
    """A process's return code as a shell tells it."""
    return 128 - code if code < 0 else code
