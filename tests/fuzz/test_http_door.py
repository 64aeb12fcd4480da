"""Whatever comes over a connection to the gateway: a reply of HTTP's, or an end; and it goes on."""

import re
import socket
from contextlib import suppress
from time import monotonic, sleep

import pytest
from hypothesis import given

from producer.gateway.connection.idle import idle
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tests.fuzz.effort import corpus, fuzz
from tests.fuzz.http import streams
from tests.support.running.fleet import NULL, wait_until
from tests.support.running.watchdog import watched_gateway

#: What may be said to anything; no 500: that would be a fault of ours.
STATUSES = {100, 200, 308, 400, 401, 403, 404, 405, 408, 409, 413, 422, 431, 503, 504}
STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) [ -~]+\r\n((?:[!-9;-~]+: [^\r\n\0]*\r\n)*)\r\n")
LENGTH = re.compile(rb"(?im)^content-length: (\d+)\r$")
MOST_HELD_S = 0.05


class Door:
    """A gateway inside this process, on which everything can be looked at."""

    def __init__(self, client, watchdog):
        self.client, self.watchdog = client, watchdog
        self.address = ("127.0.0.1", client.base_url.port)
        self._sent = 0

    def send(self, pieces: list[bytes]) -> list[int]:
        """The statuses of what came back."""
        self.watchdog.worst_s = 0.0
        received = b""
        with socket.create_connection(self.address, timeout=5) as line, suppress(OSError):
            for number, piece in enumerate(pieces):
                if number:
                    # So that they do not arrive as one.
                    sleep(0.0005)
                line.sendall(piece)
            line.settimeout(0.015)
            while part := line.recv(1 << 16):
                received += part
        statuses = read(received)
        assert set(statuses) <= STATUSES, statuses
        self._sent += 1
        if self._sent % 10 == 0:
            begun = monotonic()
            reply = self.client.post("/v1/solve?timeout=5", content=b"good")
            assert (reply.status_code, reply.json()["picks"]) == (200, [1])
            assert monotonic() - begun < 5
        assert self.watchdog.worst_s < MOST_HELD_S, self.watchdog.worst
        return statuses


def read(received: bytes) -> list[int]:
    """Of replies that stand one behind the other; the last may be cut off by our leaving."""
    statuses = []
    while received:
        head = STATUS.match(received)
        if head is None:
            assert b"\r\n\r\n" not in received, received[:300]
            break
        statuses.append(int(head[1]))
        received = received[head.end() :]
        if statuses[-1] == 100:
            continue
        length = LENGTH.search(head[2])
        if b"\ntransfer-encoding: chunked\r" in b"\n" + head[2].lower():
            received = received.partition(b"0\r\n\r\n")[2]
        elif received.startswith(b"HTTP/1.1 "):
            # To HEAD.
            assert length is not None
        else:
            received = received[int(length[1]) if length else 0 :]
    return statuses


@pytest.fixture(scope="module")
def door():
    with (
        EmbeddedServer() as server,
        WorkerProcess(server.url, environ=NULL),
        watched_gateway(server.url) as (client, watchdog),
    ):
        wait_until(lambda: client.get("/readyz").status_code == 200)
        yield Door(client, watchdog)


@pytest.mark.parametrize("why", corpus("http"))
def test_what_failed_once(door, why):
    sent = corpus("http")[why]
    door.send([sent])
    size = 1 + len(sent) // 40
    door.send([sent[at : at + size] for at in range(0, len(sent), size)])


@fuzz(250, 4_000, 60_000)
@given(pieces=streams())
def test_any_bytes_get_a_reply_or_an_end(door, pieces):
    door.send(pieces)


def test_nothing_of_them_stays(door):
    """The last test of this file: all of their connections are closed."""

    def in_flight():
        metrics = door.client.get("/metrics").text
        return float(re.search(r"requests_in_flight\{[^}]*\} (\S+)", metrics)[1])

    # The one that asks, and its connection.
    wait_until(lambda: in_flight() == 1, 15)
    wait_until(lambda: len(idle._all) <= 1, 15)
