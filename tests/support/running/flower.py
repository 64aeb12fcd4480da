"""A Flower of one's own, as ``celery -A worker flower`` starts it."""

import json
import os
import re
import subprocess
import sys
from base64 import b64encode
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

from producer.local.ports import free_port
from tests.conftest import REPOSITORY
from tests.support.running.fleet import wait_until

PASSWORD = re.compile(r"password (\S+) \(of its own making")


class Flower:
    """A running Flower."""

    def __init__(self, port: int, log: Path) -> None:
        self.port = port
        self._log = log
        self.password = ""

    @property
    def log(self) -> str:
        return self._log.read_text()

    def get(self, path: str, *, user: str | None = None):
        request = Request(f"http://127.0.0.1:{self.port}{path}")
        if user := user or (self.password and f"flower:{self.password}"):
            request.add_header("Authorization", f"Basic {b64encode(user.encode()).decode()}")
        with urlopen(request, timeout=10) as reply:
            return reply.read().decode()

    def answers(self) -> bool:
        try:
            return self.get("/healthcheck") == "OK"
        except URLError:
            return False

    def workers(self) -> dict:
        """Those that answer it."""
        return json.loads(self.get("/api/workers?refresh=1"))

    def queues(self) -> list[dict]:
        """The lengths of queues that it shows."""
        return json.loads(self.get("/api/queues/length"))["active_queues"]

    def tasks(self, **options) -> dict:
        query = "&".join(f"{name}={value}" for name, value in options.items())
        return json.loads(self.get(f"/api/tasks?{query}"))


@contextmanager
def flower(url: str, folder: Path, **environ: str):
    """``celery -A worker flower`` with its state in `folder`; killed by its process id."""
    port = free_port()
    log = folder / "log"
    environ = {
        **os.environ,
        "CELERY_BROKER_URL": url,
        "XDG_STATE_HOME": str(folder),
        "PYTHONPATH": str(REPOSITORY),
        **environ,
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "worker", "flower", f"--port={port}"],
            env=environ,
            cwd=folder,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
        )
    try:
        running = Flower(port, log)
        wait_until(lambda: process.poll() is not None or running.answers())
        assert process.poll() is None, running.log
        if found := PASSWORD.search(running.log):
            running.password = found[1]
        yield running
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
