"""A forked process that runs for as long as its supervisor does."""

import atexit
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from threading import Thread
from time import monotonic
from typing import Final

from celery.__main__ import main as celery_main

#: Pauses before it is started again, seconds; from the first again if it has lived for a while.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _A_WHILE_S = 1.0, 30.0, 60.0

#: Signals that a supervisor handles, and what it forks must not.
HANDLED: Final = (
    *(signal.SIGTERM, signal.SIGINT, signal.SIGQUIT),
    *(signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD),
)


class Child:
    """One process, and when it may be started again."""

    def __init__(self, name: str, work: Callable[[], object]) -> None:
        """`work` runs in the process, which ends with it."""
        self.name = name
        self.pid = 0
        #: When it is started, by `monotonic`; None while it runs.
        self.due: float | None = 0.0
        self.was_ready = False
        self._work = work
        self._pause_s = _FIRST_PAUSE_S
        self._began = 0.0

    def start(self, lifeline: tuple[int, int]) -> None:
        """Fork it. `lifeline`: a pipe of which the supervisor alone holds the end to write."""
        self._began, self.due = monotonic(), None
        # What comes before the child has handlers of its own ends it; the supervisor's lose it.
        signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
        self.pid = os.fork()
        if self.pid == 0:
            self._run(lifeline)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)

    def ended(self) -> float:
        """It has; gives the seconds after which it is due again."""
        self.pid, self.was_ready = 0, False
        if monotonic() - self._began > _A_WHILE_S:
            self._pause_s = _FIRST_PAUSE_S
        pause, self._pause_s = self._pause_s, min(2 * self._pause_s, _LONGEST_PAUSE_S)
        self.due = monotonic() + pause
        return pause

    def send(self, number: int) -> None:
        if self.pid:
            os.kill(self.pid, number)

    def _run(self, lifeline: tuple[int, int]) -> None:
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in HANDLED:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
            reads, held = lifeline
            os.close(held)
            # A session of its own: Ctrl-C is for the supervisor, which passes it on once.
            os.setsid()
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            multiprocessing.current_process().name = self.name
            Thread(target=_end_with, args=(reads,), name="lifeline", daemon=True).start()
            self._work()
            code = 0
        except SystemExit as ending:
            code = _code(ending)
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            # The stack below is the supervisor's: what it has to do at its end is not ours.
            atexit._run_exitfuncs()
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            os._exit(code)


def run_worker(arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    """``celery -A tilefleet worker ARGUMENTS``, in this process."""
    os.environ.update(environ)
    sys.argv = ["celery", "-A", "tilefleet", "worker", *arguments]
    celery_main()


def _end_with(reads: int) -> None:
    os.read(reads, 1)
    # The supervisor was killed: finish what is claimed, as if told to.
    os.kill(os.getpid(), signal.SIGTERM)


def _code(ending: SystemExit) -> int:
    """As the interpreter has it: text is printed, and means 1."""
    if ending.code is None or isinstance(ending.code, int):
        return ending.code or 0
    print(ending.code, file=sys.stderr)
    return 1
