"""Encrypted connections: a throw-away certificate authority is believed, another one is not."""

import asyncio
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from producer import Client
from producer.client.asynchronous import AsyncClient
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tests.conftest import missing
from tests.support.fleet import NULL, wait_until
from tests.support.servers import Wire
from tilefleet.errors import FleetUnreachable


class Authority:
    """Signs certificates for as long as a test runs."""

    def __init__(self, folder: Path, name: str) -> None:
        if shutil.which("openssl") is None:
            missing("no openssl to make certificates with")
        self._folder, self._name = folder, name
        self.certificate = folder / f"{name}.pem"
        self._openssl("req", "-x509", "-days", "2", *self._new(name), "-out", self.certificate)

    def sign(self, address: str) -> ssl.SSLContext:
        """What a server at that address needs."""
        request, certificate = self._folder / "server.csr", self._folder / "server.pem"
        extension = self._folder / "extension"
        extension.write_text(f"subjectAltName=IP:{address}")
        self._openssl("req", *self._new("server"), "-out", request)
        by = ("-CA", self.certificate, "-CAkey", self._folder / f"{self._name}.key")
        self._openssl(
            *("x509", "-req", "-in", request, *by, "-CAcreateserial", "-days", "2"),
            *("-extfile", extension, "-out", certificate),
        )
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, self._folder / "server.key")
        return context

    def _new(self, name: str) -> tuple[object, ...]:
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        return (*curve, "-subj", f"/CN={name}", "-keyout", self._folder / f"{name}.key")

    def _openssl(self, *arguments: object) -> None:
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


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
    return f"rediss://{host}:{line.port}/0?ssl_ca_certs={authority.certificate}"


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
        ask(f"redis://127.0.0.1:{line.port}/0")


def test_a_worker_does_not_talk_to_whom_another_authority_signed(line, another):
    worker = WorkerProcess(encrypted(line, another), environ=NULL)
    worker.start()
    try:
        wait_until(lambda: "certificate verify failed" in worker.log)
        assert " takes captchas" not in worker.log
    finally:
        worker.process.kill()
        worker.stop()
