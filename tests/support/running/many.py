"""Workers under a supervisor, as ``tilefleet worker`` starts them."""

import sys
from pathlib import Path

from producer.local.worker import WorkerProcess
from producer.monitoring.health import of_worker
from tests.support.running.fleet import wait_until


class Supervised(WorkerProcess):
    """`count` workers that are ready when the block begins."""

    def __init__(self, url: str, count: int, *options: str, folder: Path, environ=None) -> None:
        super().__init__(url, environ={"TILEFLEET_HEALTH": str(folder), **(environ or {})})
        self._command = [sys.executable, "-m", "producer.cli", "worker", "-n", str(count), *options]
        self._folder = folder

    def wait_ready(self) -> None:
        wait_until(lambda: self.process.poll() is not None or self.ready(), self._ready_s)
        assert self.process.poll() is None, self.log

    def ready(self) -> bool:
        return of_worker(self._folder).pid == self.process.pid

    def children(self) -> list[int]:
        """Of the workers, and of the page of metrics, if there is one."""
        pid = self.process.pid
        return [*map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
