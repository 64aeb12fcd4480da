"""A gateway of one's own, as ``tilefleet serve`` starts it."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from click.testing import CliRunner, Result

from producer.cli.main import main
from producer.local.ports import free_port
from tests.support.running.fleet import wait_until

#: What a reverse proxy on this machine says of a request that came from another one.
FAR = {"x-forwarded-for": "203.0.113.9"}


class GatewayProcess(httpx.Client):
    """A client of a running gateway, and its process."""

    process: subprocess.Popen
    log_path: Path

    @property
    def log(self) -> str:
        return self.log_path.read_text()


@contextmanager
def gateway(url, *options, environ=None) -> Iterator[GatewayProcess]:
    port = free_port()
    command = [sys.executable, "-m", "producer.cli", "serve", "--port", str(port), *options]
    environ = {"CELERY_BROKER_URL": url, "CELERY_RESULT_BACKEND": url, **(environ or {})}
    with (
        tempfile.NamedTemporaryFile(suffix=".log") as log,
        GatewayProcess(base_url=f"http://127.0.0.1:{port}", timeout=20) as client,
    ):
        client.log_path = Path(log.name)
        client.process = subprocess.Popen(
            command, env={**os.environ, **environ}, stderr=log, start_new_session=True
        )
        try:
            wait_until(lambda: answers(client), 20)
            yield client
        finally:
            client.process.terminate()
            client.process.wait(15)


def bearer(text: str) -> dict[str, str]:
    """The header with a key."""
    return {"authorization": f"Bearer {text}"}


def keys(*arguments: object) -> Result:
    """``tilefleet keys …``, in this process."""
    return CliRunner().invoke(main, ["keys", *map(str, arguments)])


def answers(client: GatewayProcess) -> bool:
    assert client.process.poll() is None, client.log
    try:
        return client.get("/healthz").text == "ok"
    except httpx.HTTPError:
        return False
