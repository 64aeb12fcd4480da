"""Whatever a connection sends, at any moment of its life, ends: in bytes, in seconds, in memory."""

import re
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from time import monotonic, sleep

import pytest

from producer.gateway.connection import idle, protocol
from producer.local.ports import free_port
from tests.support.running.gateway import gateway

GET = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
HEAD = b"POST /v1/solve HTTP/1.1\r\nHost: a\r\n"
#: What a proxy on this machine says of one who has no key: answered before its body is read.
FAR = b"X-Forwarded-For: 203.0.113.9\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
#: A body, a chunk, and a last chunk, which trailers follow.
ONE = b"Connection: close\r\nContent-Length: 1\r\n\r\nx"
CHUNK, LAST = b"1\r\nx\r\n", b"0\r\n"

#: What is sent once, and then for as long as it is taken.
ENDLESS = {
    "trailers": (HEAD + CHUNKED + LAST, b"A: b\r\n" * 10_000),
    "trailers, refused": (HEAD + FAR + CHUNKED + LAST, b"A: b\r\n" * 10_000),
    "one trailer": (HEAD + CHUNKED + LAST + b"A: ", b"b" * 60_000),
    "the name of a trailer": (HEAD + CHUNKED + LAST, b"b" * 60_000),
    "trailers behind an answer": (GET[:-2] + CHUNKED + LAST, b"A: b\r\n" * 10_000),
    "a body behind an answer": (GET[:-2] + CHUNKED, CHUNK * 20_000),
    "a body that was refused": (HEAD + FAR + CHUNKED, b"ffff\r\n" + bytes(0xFFFF) + b"\r\n"),
    "a chunk's extension": (HEAD + CHUNKED + b"1;", b"a" * 60_000),
    "extensions of chunks": (HEAD + CHUNKED, (b"1;" + b"a" * 1000 + b"\r\nx\r\n") * 60),
    "zeros before a length": (HEAD + CHUNKED, b"0" * 60_000),
    "headers": (b"GET / HTTP/1.1\r\n", b"A: b\r\n" * 10_000),
    "a header": (b"GET / HTTP/1.1\r\nA: ", b"b" * 60_000),
    "an address": (b"GET /", b"a" * 60_000),
    "line ends": (b"", b"\r\n" * 30_000),
    "line ends behind an answer": (GET, b"\r\n" * 30_000),
    "requests without reading": (b"", GET * 2000),
    "upgrades": (
        b"",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" * 1000,
    ),
    "tunnels": (b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", b"x" * 60_000),
    "what is no HTTP": (b"\x16\x03\x01", b"\x00" * 60_000),
}


@pytest.fixture(scope="module")
def client():
    """No fleet behind it: what is read is not answered, and nothing here asks for that."""
    url = f"redis://127.0.0.1:{free_port()}/0"
    with gateway(url, "--legacy", "loopback") as client:
        yield client


@pytest.fixture(scope="module")
def keyed(tmp_path_factory):
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    path.write_text('{"keys": []}')
    url = f"redis://127.0.0.1:{free_port()}/0"
    with gateway(url, "--keys", str(path)) as client:
        yield client


def connect(client):
    line = socket.create_connection(("127.0.0.1", client.base_url.port), timeout=25)
    # What lies in the kernel's buffers nobody has taken yet.
    line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 << 10)
    return line


def resident_mib(client) -> float:
    status = Path(f"/proc/{client.process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def is_closed(line) -> bool:
    """Whether the other end has closed or cut it."""
    line.settimeout(0.01)
    try:
        while line.recv(1 << 16):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True


def reply(line) -> bytes:
    """All of it, up to the end of the connection."""
    parts = []
    with suppress(ConnectionResetError):
        while part := line.recv(65536):
            parts.append(part)
    return b"".join(parts)


def pour(client, first: bytes, more: bytes) -> tuple[float, float]:
    """MiB and seconds until it is closed, without reading anything."""
    begun, sent = monotonic(), 0
    with connect(client) as line, suppress(ConnectionError, BrokenPipeError):
        line.sendall(first)
        while True:
            # Waits for as long as nothing is taken.
            line.sendall(more)
            sent += len(more)
            assert sent < 200 << 20, "it is taken without end"
    return sent / (1 << 20), monotonic() - begun


@pytest.mark.parametrize("which", ["client", "keyed"])
def test_whatever_has_no_end_is_cut_off(which, request):
    client = request.getfixturevalue(which)
    before = resident_mib(client)
    with ThreadPoolExecutor(len(ENDLESS)) as pool:
        each = pool.map(lambda parts: pour(client, *parts), ENDLESS.values())
        ends = dict(zip(ENDLESS, each, strict=True))
    most_mib = (protocol.MOST_IGNORED >> 20) + 8
    assert {name: end for name, end in ends.items() if end[0] > most_mib or end[1] > 25} == {}
    assert client.get("/healthz", timeout=1).text == "ok"
    assert resident_mib(client) < before + 40


@pytest.mark.parametrize("before", [b"", GET], ids=["first", "behind another"])
def test_a_request_that_cannot_begin_is_refused_in_its_turn(client, before):
    with connect(client) as line:
        line.sendall(before + b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n" + b"x" * 1000)
        told = reply(line)
    codes = re.findall(rb"HTTP/1\.1 (\d+)", told)
    assert codes == [b"200"] * bool(before) + [b"400"]
    assert "Traceback" not in client.log


#: What is sent, and then nothing, or a byte now and then.
STALLED = {
    "nothing": b"",
    "half a head": b"GET / HTTP/1.1\r\nHost:",
    "line ends": b"\r\n\r\n",
    "line ends behind an answer": GET + b"\r\n",
    "half a head behind an answer": GET + b"GET / HT",
    "a body behind an answer": GET[:-2] + b"Content-Length: 100\r\n\r\nx",
    "half a body": HEAD + b"Content-Length: 100\r\n\r\nx",
    "half a chunk": HEAD + CHUNKED + b"ff\r\nx",
    "half a body, refused": HEAD + FAR + b"Content-Length: 100\r\n\r\nx",
    "half a trailer": HEAD + CHUNKED + LAST + b"A",
    "half a trailer, refused": HEAD + FAR + CHUNKED + LAST + b"A",
    "a body that was announced": HEAD + b"Expect: 100-continue\r\nContent-Length: 900\r\n\r\n",
}


@pytest.mark.parametrize("trickling", [False, True])
def test_whoever_stops_or_trickles_is_cut_off(keyed, client, trickling):
    with ExitStack() as stack:
        lines = {
            (name, each): stack.enter_context(connect(each))
            for name in STALLED
            for each in (keyed, client)
        }
        for (name, _), line in lines.items():
            line.sendall(STALLED[name])
        begun = monotonic()
        while lines and monotonic() - begun < 16:
            sleep(0.5)
            for key, line in list(lines.items()):
                if is_closed(line):
                    del lines[key]
                elif trickling:
                    with suppress(OSError):
                        line.send(b"\n" if STALLED[key[0]][-2:] in (b"", b"\r\n") else b"1")
        assert list(lines) == []


def test_a_trailer_is_no_header(keyed):
    """Neither a key, nor an address, nor a type that comes behind the body counts."""
    body = b"4\r\nany!\r\n0\r\n"
    for trailer in (b"X-API-Key: a.b", b"X-Forwarded-For: 127.0.0.1", b"Content-Type: text/x"):
        data = b"POST /check HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + FAR + CHUNKED
        with connect(keyed) as line:
            line.sendall(data + body + trailer + b"\r\n\r\n")
            assert reply(line).startswith(b"HTTP/1.1 404 "), trailer
    with connect(keyed) as line:
        line.sendall(HEAD + b"Connection: close\r\n" + CHUNKED + body + b"X-API-Key: a.b\r\n\r\n")
        assert b"an API key is wanted" in reply(line)


def test_what_is_pipelined_is_answered_in_order(client):
    """Behind an upgrade that is not made as well; one that cannot be read ends it, in its turn."""
    upgrade = GET[:-2] + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    with connect(client) as line:
        line.sendall(GET + upgrade + GET.replace(b"/healthz", b"/nothing") + b"no HTTP\r\n\r\n")
        statuses = [part[:3] for part in reply(line).split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"200", b"200", b"404", b"400"]


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket", b"TLS/1.3, other"])
def test_a_body_behind_an_upgrade_that_is_not_made_is_the_body(client, protocol):
    """As Java's client sends it; no byte of it is a request."""
    inside = b"img=GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"
    asked = b"Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\nUpgrade: "
    form = b"Content-Type: application/x-www-form-urlencoded\r\n"
    long = b"Content-Length: %d\r\n\r\n" % len(inside)
    framed = (
        long + inside,
        CHUNKED + b"%x\r\n" % len(inside) + inside + b"\r\n0\r\nA: b\r\n\r\n",
    )
    head = HEAD.replace(b"/v1/solve", b"/check") + asked + protocol + b"\r\n" + form
    for sent in framed:
        for pause in (None, len(head) + 20, len(head + sent) - 3):
            with connect(client) as line:
                line.sendall((head + sent)[:pause])
                if pause:
                    sleep(0.05)
                    line.sendall((head + sent)[pause:])
                line.sendall(head + sent + GET[:-2] + b"Connection: close\r\n\r\n")
                parts = reply(line).split(b"HTTP/1.1 ")[1:]
            # The old server says that it has read the field, and found nothing in it.
            assert [part[:3] for part in parts] == [b"200"] * 3
            assert [part.endswith(b'{"msg":"success","result":""}') for part in parts[:2]] == [
                True
            ] * 2
            assert parts[2].endswith(b"ok")


def test_what_is_wrong_with_a_length_is_so_behind_an_upgrade(client):
    asked = HEAD + b"Connection: Upgrade\r\nUpgrade: h2c\r\n"
    for fields in (
        b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"Content-Length: 3\r\nContent-Length: 4\r\n\r\n",
        b"Transfer-Encoding: chunked, identity\r\n\r\n",
    ):
        with connect(client) as line:
            line.sendall(asked + fields + b"3\r\nabc\r\n0\r\n\r\n" + GET)
            statuses = [part[:3] for part in reply(line).split(b"HTTP/1.1 ")[1:]]
        assert statuses == [b"400"], fields


def test_clients_of_http_1_0_hear_nothing_before_the_reply(client):
    with connect(client) as line:
        line.sendall(
            b"POST /check HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nimg="
        )
        assert reply(line).startswith(b"HTTP/1.1 200 ")


def test_idle_connections_of_one_make_room_for_their_next(client):
    with ExitStack() as stack:
        for _ in range(idle.MOST + 50):
            stack.enter_context(connect(client))
        assert client.get("/healthz", timeout=2).text == "ok"


def test_one_address_leaves_half_to_the_others(client):
    """Of requests without an answer, and of bytes of bodies that are held."""
    one, another = FAR.replace(b".9", b".1"), FAR.replace(b".9", b".2")
    url = f"redis://127.0.0.1:{free_port()}/0"
    half = b"Content-Length: 100\r\n\r\nx"
    with gateway(url, "--max-requests", "6") as small, ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(connect(small)).sendall(HEAD + one + half)
        for who, said in ((one, b"3 requests of one address"), (another, b"FleetUnreachable")):
            with connect(small) as line:
                line.sendall(HEAD + who + ONE)
                assert said in reply(line)
    most = b"at most 134217728"
    with ExitStack() as stack:
        body = HEAD.replace(b"solve", b"solve-many") + b"Content-Length: 67000000\r\n"
        for _ in range(2):
            stack.enter_context(connect(client)).sendall(body + one + b"\r\n" + bytes(60 << 20))
        third = stack.enter_context(connect(client))
        with suppress(OSError):
            third.sendall(body + one + b"\r\n" + bytes(60 << 20))
        assert most in reply(third)
        with connect(client) as line:
            line.sendall(HEAD + another + ONE)
            assert b"FleetUnreachable" in reply(line)


@pytest.mark.parametrize(
    ("one", "another", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("unknown", "unknown", True),
    ],
)
def test_who_shares_bounds(one, another, same):
    assert (idle.address((one, 1)) == idle.address((another, 2))) is same
