"""Fixtures for pytest: ``pytest_plugins = ["tilefleet.testing.plugin"]`` in the root conftest.py.

`fake_fleet` answers in memory. `fleet` is a client of a real one: a server and a worker with the
built-in model, started once a session and ended with it; they need ``tilefleet[demo]``.
"""

from collections.abc import Iterator

import pytest

from tilefleet import Client
from tilefleet.testing import EmbeddedServer, FakeFleet, WorkerProcess


@pytest.fixture
def fake_fleet() -> Iterator[FakeFleet]:
    """A fleet in memory, for one test."""
    with FakeFleet() as fleet:
        yield fleet


@pytest.fixture(scope="session")
def tilefleet_server() -> Iterator[EmbeddedServer]:
    """A Redis-protocol server on a free port of the loopback interface, which keeps nothing."""
    with EmbeddedServer() as server:
        yield server


@pytest.fixture(scope="session")
def tilefleet_worker(tilefleet_server: EmbeddedServer) -> Iterator[WorkerProcess]:
    """A worker of that server with the built-in model, warm."""
    with WorkerProcess(tilefleet_server.url) as worker:
        yield worker


@pytest.fixture
def fleet(tilefleet_server: EmbeddedServer, tilefleet_worker: WorkerProcess) -> Iterator[Client]:
    """A client of that worker."""
    with Client(tilefleet_server.url) as client:
        yield client
