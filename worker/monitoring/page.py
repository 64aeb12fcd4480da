"""A page of Prometheus metrics: on a TCP address, or on a Unix socket for a supervisor to read."""

import socket
import socketserver
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import MetricsHandler

from tilefleet.errors import SettingError
from tilefleet.figures import labelled


class Registry(CollectorRegistry):
    """With a label that all metrics have."""

    def __init__(self, fleet: str) -> None:
        super().__init__()
        self._fleet = fleet

    def collect(self) -> Iterator[Metric]:
        yield from labelled(super().collect(), fleet=self._fleet)


class Page(ThreadingHTTPServer):
    """Listens when it is made; answers from `serve_forever` or `start` on."""

    daemon_threads = True

    def __init__(self, registry: CollectorRegistry, address: str) -> None:
        """`address`: ``host:port``, or a socket's path. Raises SettingError where it cannot be."""
        self._thread: Thread | None = None
        self._path = address if address.startswith("/") else ""
        host, _, port = address.rpartition(":")
        host = host.strip("[]")
        if self._path:
            self.address_family = socket.AF_UNIX
        elif ":" in host:
            self.address_family = socket.AF_INET6
        where: tuple[str, int] | str = self._path or (host, int(port or 0))
        try:
            if self._path:
                # What a worker that was killed has left.
                Path(self._path).unlink(missing_ok=True)
            super().__init__(where, MetricsHandler.factory(registry))  # type: ignore[arg-type]
        except OSError as error:
            raise SettingError(f"TILEFLEET_METRICS={address!r} is not usable: {error}") from None

    def server_bind(self) -> None:
        # Not HTTPServer's, which looks up the name of a host.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "", 0

    def start(self) -> None:
        """Answer from a thread of its own."""
        self._thread = Thread(target=self.serve_forever, name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        if self._thread is not None:
            self.shutdown()
            self._thread.join()
        self.server_close()
        if self._path:
            Path(self._path).unlink(missing_ok=True)
