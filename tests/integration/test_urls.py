"""Every form of URL works for everybody: a worker, both clients, commands, the bound."""

import asyncio
import socket
import subprocess
from contextlib import ExitStack
from urllib.parse import quote

import pytest
from redis import Redis

from producer import AsyncClient, Client
from producer.local.ports import free_port
from producer.local.server import EmbeddedServer, find_binary
from producer.local.worker import WorkerProcess
from producer.monitoring.remote import Remote
from producer.monitoring.watch import Watch
from tests.support.running.authority import Authority
from tests.support.running.fleet import NULL, wait_until
from tests.support.running.flower import flower
from tests.support.running.gateway import gateway
from tests.support.running.servers import Wire
from tilefleet import wire
from tilefleet.errors import Overloaded
from tilefleet.settings import Settings

#: With everything in it that has to be escaped.
PASSWORD = "a/b:c@d%;#?"
ACCOUNT = ("on", f">{PASSWORD}", "~*", "&*", "+@all")
FORMS = (
    *("another database for results", "another server for results", "unix socket", "account"),
    *("the first away", "IPv6", "sentinels", "TLS"),
)


def sentinel(stack, folder, server):
    """One with a password of its own, before a server that has another one."""
    port = free_port()
    file = folder / "sentinel.conf"
    file.write_text(
        f"port {port}\nbind 127.0.0.1\nrequirepass of-sentinels\n"
        f"sentinel monitor captchas 127.0.0.1 {server.port} 1\n"
        f"sentinel auth-pass captchas of-the-server\n"
    )
    command = [find_binary(), file, "--sentinel"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    stack.callback(process.wait)
    stack.callback(process.terminate)
    redis = stack.enter_context(Redis(port=port, password="of-sentinels"))
    wait_until(lambda: redis.sentinel_master("captchas")["flags"] == "master")
    return port


def form(name, stack, folder):
    """Environment variables of that form, with whatever they need running."""
    if name == "IPv6":
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            pytest.skip("no IPv6 here")
    options = {
        "unix socket": ("--unixsocket", str(folder / "server.sock")),
        "IPv6": ("--bind", "127.0.0.1", "::1"),
        "sentinels": ("--requirepass", "of-the-server"),
        "TLS": ("--requirepass", PASSWORD),
    }.get(name, ())
    # Whose account, and which database, is what the forms are about.
    who = {"user": "default", "password": options[1] if "--requirepass" in options else ""}
    server = stack.enter_context(EmbeddedServer(*options, **who))
    broker = results = f"redis://127.0.0.1:{server.port}/0"
    more = {}
    if name == "another database for results":
        results = f"redis://127.0.0.1:{server.port}/1"
    elif name == "another server for results":
        results = stack.enter_context(EmbeddedServer()).url
    elif name == "unix socket":
        broker = results = f"redis+socket://{folder}/server.sock?virtual_host=2"
    elif name == "account":
        with Redis(port=server.port) as redis:
            redis.execute_command("ACL", "SETUSER", "so@me", *ACCOUNT)
        place = f"127.0.0.1:{server.port}/3"
        broker = results = f"redis://so%40me:{quote(PASSWORD, safe='')}@{place}"
    elif name == "the first away":
        broker = results = f"redis://127.0.0.1:1/0;redis://127.0.0.1:{server.port}/0"
    elif name == "IPv6":
        broker = results = f"redis://[::1]:{server.port}/0"
    elif name == "sentinels":
        port = sentinel(stack, folder, server)
        broker = f"sentinel://127.0.0.1:1;sentinel://:of-the-server@127.0.0.1:{port}/1"
        results = broker
        more = {"TILEFLEET_SENTINEL_MASTER": "captchas"}
        (folder / "password").write_text("of-sentinels\n")
        more["TILEFLEET_SENTINEL_PASSWORD_FILE"] = str(folder / "password")
    elif name == "TLS":
        authority = Authority(folder, "ours")
        line = stack.enter_context(Wire(server.port, tls=authority.sign("127.0.0.1")))
        place = f"127.0.0.1:{line.port}/0?ssl_ca_certs={authority.certificate}"
        broker = results = f"rediss://default:{quote(PASSWORD, safe='')}@{place}"
    (folder / "broker").write_text(broker + "\n")
    (folder / "results").write_text(results + "\n")
    return {
        "CELERY_BROKER_URL_FILE": str(folder / "broker"),
        "CELERY_RESULT_BACKEND_FILE": str(folder / "results"),
        "CELERY_BROKER_URL": "",
        "CELERY_RESULT_BACKEND": "",
        **more,
    }


@pytest.mark.parametrize("name", FORMS)
def test_it_works_for_everybody(name, tmp_path, monkeypatch):
    with ExitStack() as stack:
        environ = form(name, stack, tmp_path)
        for variable, value in environ.items():
            monkeypatch.setenv(variable, value)
        few = {**NULL, **environ, "TILEFLEET_MAX_WAITING": "5", "TILEFLEET_MAX_BATCH": "1"}
        options = ("-c", "1", "--include", "tests.support.included.strange_engine")
        worker = WorkerProcess("", *options, environ=few)
        fleet = stack.enter_context(Client())
        with worker:
            assert fleet.solve(b"any", timeout=10).model == "null"
            assert asyncio.run(ask()) == "null"
            settings = Settings.from_environ()
            with Watch(settings) as watch:
                (node,) = wait_until(lambda: watch.look().workers)
            assert list(Remote(settings).ask("model", [node])) == [node]
            with gateway("", environ=environ) as door:
                assert door.get("/readyz").json()["workers"] == 1
                assert door.post("/v1/solve", content=b"any").json()["model"] == "null"
                assert "tilefleet_queue_oldest_seconds" in door.get("/metrics").text
            # A page for people, who see what waits there too.
            with flower("", tmp_path, **environ) as page:
                assert wait_until(page.workers)[node]["stats"]
                assert set(wire.LANES) <= {queue["name"] for queue in page.queues()}
                assert wire.BULK_LANE in page.get("/broker")
            # The bound on what may wait is known to who sends.
            with pytest.raises(Overloaded, match="5 may"):
                flood(fleet)


def flood(fleet):
    for number in range(60):
        fleet.submit(b"tenth %d" % number)


async def ask():
    async with AsyncClient() as fleet:
        return (await fleet.solve(b"other", timeout=10)).model
