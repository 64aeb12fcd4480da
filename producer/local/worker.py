"""A worker process of one's own, as ``celery -A tilefleet worker`` starts it."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from time import monotonic, sleep

from tilefleet import health
from tilefleet.errors import FleetError


class WorkerProcess(AbstractContextManager["WorkerProcess"]):
    """A worker for as long as the ``with`` block runs; it is warm when the block begins."""

    def __init__(
        self,
        broker_url: str,
        *options: str,
        environ: Mapping[str, str] | None = None,
        ready_s: float = 120.0,
        stop_s: float = 30.0,
    ) -> None:
        """`options` go to ``celery -A tilefleet worker``; `environ` adds to this process's own."""
        self._command = [sys.executable, "-m", "celery", "-A", "tilefleet", "worker", *options]
        self._environ = {
            **os.environ,
            "CELERY_BROKER_URL": broker_url,
            "CELERY_RESULT_BACKEND": broker_url,
            **(environ or {}),
        }
        self._ready_s, self._stop_s = ready_s, stop_s
        self._log: Path | None = None
        self._kept = ""
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What it has printed so far."""
        return self._log.read_text(errors="replace") if self._log else self._kept

    def __enter__(self) -> "WorkerProcess":
        try:
            self.start()
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        handle, name = tempfile.mkstemp(prefix="tilefleet-worker-", suffix=".log")
        self._log = Path(name)
        with os.fdopen(handle, "wb") as log:
            # A session of its own: Ctrl-C is for the program, which stops its worker in order.
            self.process = subprocess.Popen(
                self._command,
                env=self._environ,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def wait_ready(self) -> None:
        """Wait until it takes messages; raises FleetError with the end of its log."""
        assert self.process is not None, "not started"
        deadline = monotonic() + self._ready_s
        # Logged when its model is warm.
        while f" {health.TAKES}" not in self.log:
            if self.process.poll() is not None:
                raise FleetError(
                    f"the worker ended with exit code {self.process.returncode}:\n{self._end()}"
                )
            if monotonic() > deadline:
                raise FleetError(f"no worker after {self._ready_s:g} s:\n{self._end()}")
            sleep(0.05)

    def stop(self) -> int | None:
        """Warm shutdown, killed if it takes longer than allowed; gives the exit code."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(self._stop_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._remove_log()
        return self.process.returncode

    def _remove_log(self) -> None:
        """The file goes, `log` stays readable."""
        if self._log is not None:
            self._kept = self.log
            self._log.unlink()
            self._log = None

    def _end(self) -> str:
        return "\n".join(self.log.splitlines()[-15:])
