"""A timeout covers all of a call, and no client keeps a program from its end."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from time import monotonic, sleep

import pytest

from producer import AsyncClient, Client
from producer.client import message
from producer.local.ports import free_port
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from producer.monitoring.health import of_gateway
from tests.support.running.fleet import NULL
from tests.support.running.gateway import gateway
from tilefleet.errors import FleetError, TooLarge
from tilefleet.wire import MOST_IMAGE_BYTES


@pytest.fixture(scope="module")
def server():
    with EmbeddedServer() as server, WorkerProcess(server.url, environ=NULL):
        yield server


@contextmanager
def stopped(server):
    """It is there and says nothing."""
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


@contextmanager
def within(seconds):
    begun = monotonic()
    yield
    assert monotonic() - begun < seconds


def calls(fleet):
    """Each way to send, with a timeout of half a second."""
    yield lambda: fleet.solve(b"any", timeout=0.5)
    yield lambda: fleet.submit(b"any", expires=0.5).result(0.5)
    yield lambda: list(fleet.map([b"any"] * 3, timeout=0.5))
    yield lambda: list(fleet.map([b"any"] * 3, timeout=0.5, bulk=True))


@pytest.mark.parametrize("connected", [False, True])
def test_a_timeout_is_kept_also_with_a_server_that_hangs(server, connected):
    with within(12), Client(server.url) as fleet:
        if connected:
            fleet.solve(b"any", timeout=10)
        with stopped(server):
            for call in calls(fleet):
                with within(1.5), pytest.raises(FleetError):
                    call()
    # It is closed while the server hangs, too.
    with within(4):
        fleet = Client(server.url)
        fleet.solve(b"any", timeout=10)
        with stopped(server), within(3):
            fleet.close()


def test_a_cut_of_the_servers_pause_is_mended(server):
    """What hung goes on: the same client is answered again."""
    with Client(server.url) as fleet:
        fleet.solve(b"any", timeout=10)
        with stopped(server), pytest.raises(FleetError):
            fleet.solve(b"any", timeout=0.3)
        assert fleet.solve(b"any", timeout=20).model == "null"


def test_the_gateway_keeps_it_too(server, tmp_path):
    keys = tmp_path / "keys.json"
    made = subprocess.run(
        [sys.executable, "-m", "producer.cli", "keys", "add", "a", "--file", keys, "--rate", "9"],
        capture_output=True,
        text=True,
        check=True,
    )
    ask = {"x-api-key": made.stdout.strip()}
    with gateway(server.url, "--keys", str(keys)) as client:
        for path in ("/readyz", "/metrics"):
            client.get(path)
        with stopped(server):
            for path in ("/v1/solve?timeout=0.5", "/v1/solve-many?timeout=0.5"):
                body = {"json": {"images": ["YQ=="]}} if "many" in path else {"content": b"any"}
                with within(2):
                    assert client.post(path, headers=ask, **body).status_code >= 500
            with within(6):
                late = client.post("/check", data={"img": "YQ=="})
                assert late.content == b'{"msg":"success","result":""}'
            for path in ("/healthz", "/readyz", "/metrics"):
                with within(4):
                    client.get(path)


def test_commands_end_with_a_server_that_hangs(server):
    environ = {**os.environ, "CELERY_BROKER_URL": server.url, "CELERY_RESULT_BACKEND": server.url}
    commands = (
        ["solve", "--timeout", "1", "samples/002.jpg"],
        ["models", "use", "builtin", "--timeout", "1"],
        ["top", "--once"],
    )
    with stopped(server), within(25):
        running = [
            subprocess.Popen(
                [sys.executable, "-m", "producer.cli", *command],
                env=environ,
                stderr=subprocess.PIPE,
                text=True,
            )
            for command in commands
        ]
        for each in running:
            said = each.communicate(timeout=25)[1]
            assert each.returncode == 1
            assert f"127.0.0.1:{server.port}/0: " in said
            assert " within " in said


def test_health_does_not_wait_for_a_gateway_that_trickles():
    """Each byte is in time, the reply is not."""
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as pool:

        def trickle() -> None:
            line, _ = listening.accept()
            with line, suppress(OSError):
                for byte in b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 9:
                    line.send(bytes([byte]))
                    sleep(0.1)

        pool.submit(trickle)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with within(2):
            found = of_gateway(url, ready=True, timeout_s=0.5)
    assert not found.good
    assert "nothing within 0.5 s" in found.why


NEVER_CLOSED = """
import asyncio, random, sys
from producer import AsyncClient

pauses = random.Random(1)

async def use(pause, captchas):
    fleet = AsyncClient(sys.argv[1])
    solving = [asyncio.create_task(fleet.solve(b"%d" % n, timeout=5)) for n in range(captchas)]
    if pause:
        await asyncio.sleep(pause)
    else:
        await asyncio.gather(*solving)

for number in range(200):
    asyncio.run(use(0 if number % 3 == 0 else pauses.uniform(0, 0.03), pauses.choice([1, 1, 5])))
"""


def test_a_loop_ends_whatever_its_client_is_doing(server):
    """Never closed, at any moment: connecting, sending, waiting, answered."""
    command = [sys.executable, "-W", "ignore", "-c", NEVER_CLOSED, server.url]
    done = subprocess.run(command, timeout=60, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_a_client_may_be_closed_twice_and_never_used(server):
    async def close() -> None:
        fleet = AsyncClient(server.url)
        await fleet.close()
        await fleet.solve(b"any", timeout=10)
        await fleet.close()
        await fleet.close()

    asyncio.run(close())
    Client(server.url).close()


def test_a_program_ends_that_never_closes_and_one_that_forks(server):
    script = (
        "import os, sys; from producer import Client\n"
        f"fleet = Client({server.url!r}); fleet.solve(b'any', timeout=10)\n"
        "child = os.fork()\n"
        "assert fleet.solve(b'any', timeout=10).model == 'null'\n"
        "if child: sys.exit(os.waitpid(child, 0)[1])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], timeout=30, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_what_is_too_large_to_send_is_refused_before_it_is_sent():
    with Client(f"redis://127.0.0.1:{free_port()}/0") as fleet:
        for send in (fleet.solve, fleet.submit):
            with pytest.raises(TooLarge, match="can be sent"):
                send(bytes(MOST_IMAGE_BYTES + 1))
        with pytest.raises(TooLarge):
            fleet.solve("/dev/zero")


def test_a_list_goes_in_messages_that_no_server_refuses():
    images = [bytes(size << 17) for size in (1, 5, 3, 9, 1, 1, 1)]
    parts = message.parts(images)
    assert [[len(image) >> 17 for image in part] for part in parts] == [[1, 5], [3], [9], [1, 1, 1]]
    assert message.parts([]) == []


def test_one_list_fails_no_other_where_a_server_hangs_up_on_it(tmp_path):
    """The server takes messages of a megabyte; one of two is sent beside many small ones."""
    with (
        EmbeddedServer("--proto-max-bulk-len", "1mb") as small,
        WorkerProcess(small.url, environ=NULL),
    ):

        async def send() -> list[object]:
            async with AsyncClient(small.url) as fleet:
                large = [asyncio.create_task(fleet.solve(bytes(2 << 20), timeout=8))]
                others = [
                    asyncio.create_task(fleet.solve(b"%d" % number, timeout=8))
                    for number in range(200)
                ]
                return list(await asyncio.gather(*large, *others, return_exceptions=True))

        first, *rest = asyncio.run(send())
        assert isinstance(first, FleetError)
        assert not [each for each in rest if isinstance(each, Exception)]
