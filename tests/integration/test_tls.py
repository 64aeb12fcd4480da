"""Encrypted connections: a throw-away certificate authority is believed, another one is not."""

import asyncio

import pytest

from producer import Client
from producer.client.asynchronous import AsyncClient
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tests.support.running.authority import Authority
from tests.support.running.fleet import NULL, wait_until
from tests.support.running.servers import Wire
from tilefleet.errors import FleetUnreachable


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ours"), "ours")


@pytest.fixture(scope="module")
def another(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("another"), "another")


@pytest.fixture(scope="module")
def line(ours):
    """The server's build has no TLS: what stands before it has."""
    with EmbeddedServer() as server, Wire(server.port, tls=ours.sign("127.0.0.1")) as line:
        yield line


@pytest.fixture(scope="module")
def worker(line, ours):
    with WorkerProcess(encrypted(line, ours), environ=NULL) as worker:
        yield worker


def encrypted(line, authority, host="127.0.0.1") -> str:
    return f"{line.url.replace('redis', 'rediss', 1)}?ssl_ca_certs={authority.certificate}".replace(
        "127.0.0.1", host
    )


def ask(url: str) -> str:
    with Client(url) as fleet:
        return fleet.solve(b"any", timeout=5).model


def ask_async(url: str) -> str:
    async def solve() -> str:
        async with AsyncClient(url) as fleet:
            return (await fleet.solve(b"any", timeout=5)).model

    return asyncio.run(solve())


both = pytest.mark.parametrize("solve", [ask, ask_async])


@both
@pytest.mark.parametrize("more", ["", "&ssl_cert_reqs=required", "&ssl_cert_reqs=CERT_REQUIRED"])
def test_what_our_authority_signed_is_believed(line, worker, ours, solve, more):
    assert solve(encrypted(line, ours) + more) == "null"


@both
def test_what_another_authority_signed_is_not(line, worker, another, solve):
    with pytest.raises(FleetUnreachable, match="certificate verify failed"):
        solve(encrypted(line, another))


def test_nobody_is_believed_without_an_authority(line, worker):
    with pytest.raises(FleetUnreachable, match="certificate verify failed"):
        ask(f"rediss://127.0.0.1:{line.port}/0")


def test_a_certificate_is_good_for_its_own_host_only(line, worker, ours):
    with pytest.raises(FleetUnreachable, match="Hostname mismatch"):
        ask(encrypted(line, ours, host="localhost"))


def test_a_plain_connection_gets_nothing(line, worker):
    with pytest.raises(FleetUnreachable):
        ask(line.url)


def test_a_worker_does_not_talk_to_whom_another_authority_signed(line, another):
    worker = WorkerProcess(encrypted(line, another), environ=NULL)
    worker.start()
    try:
        wait_until(lambda: "certificate verify failed" in worker.log)
        assert " takes captchas" not in worker.log
    finally:
        worker.process.kill()
        worker.stop()
