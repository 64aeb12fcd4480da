"""Who gets into the gateway, how much of what, and how it stops."""

import asyncio
import json
import re
import socket
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from time import monotonic

import pytest
from click.testing import CliRunner
from starlette.exceptions import HTTPException

from producer.cli.main import main
from producer.client.connection import connect as connect_store
from producer.gateway.keys import Key, KeyFile, changing
from producer.gateway.quota import BUCKET, Quota
from producer.local.ports import free_port
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tests.support.running.fleet import NULL, STRANGE, wait_until
from tests.support.running.gateway import FAR, bearer, gateway, keys
from tilefleet.errors import BadKeyFile


@pytest.fixture(scope="module")
def server():
    with EmbeddedServer() as server, WorkerProcess(server.url, *STRANGE, environ=NULL):
        yield server


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("keys") / "keys.json"


@pytest.fixture(scope="module")
def alice(file):
    return keys("add", "alice", "--file", file).stdout.strip()


@pytest.fixture(scope="module")
def bob(file):
    """He may send one captcha in a thousand seconds, and three at once."""
    added = keys("add", "bob", "--file", file, "--rate", "0.001", "--burst", "3")
    return added.stdout.strip()


@pytest.fixture(scope="module")
def client(server, file, alice, bob):
    with gateway(server.url, "--keys", str(file), "--legacy", "on", "--log-requests") as client:
        yield client


def test_the_file_holds_hashes_and_only_its_owner_reads_it(file, alice):
    text = file.read_text()
    assert alice.startswith("alice.")
    assert alice.partition(".")[2] not in text
    assert len(alice.partition(".")[2]) >= 43
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_key_is_wanted_and_either_header_brings_it(client, alice):
    for headers in (
        {},
        bearer("alice.wrong"),
        bearer("nobody"),
        {"authorization": b"Bearer \xff"},
        {"x-api-key": ""},
    ):
        reply = client.post("/v1/solve", content=b"any", headers=headers)
        assert (reply.status_code, reply.json()["title"]) == (401, "Unauthorized")
        assert reply.headers["www-authenticate"].startswith("Bearer")
    for headers in (bearer(alice), {"x-api-key": alice}, {"authorization": f"bearer  {alice}"}):
        assert client.post("/v1/solve", content=b"any", headers=headers).status_code == 200
    assert client.post("/v1/solve-many", json={"images": []}).status_code == 401


def test_what_is_open_needs_no_key_and_unknown_paths_say_nothing_without_one(client, alice):
    for path in ("/", "/healthz", "/readyz", "/metrics", "/openapi.json", "/site/sample-1.jpg"):
        assert client.get(path, headers=FAR).status_code == 200, path
    # Load is for everybody, as in /readyz; whose keys are used is not.
    client.post("/v1/solve", content=b"any", headers=bearer(alice))
    named = 'key="alice"'
    assert named in client.get("/metrics").text
    assert named in client.get("/metrics", headers=FAR | bearer(alice)).text
    for headers in (FAR, FAR | bearer("alice.wrong")):
        seen = client.get("/metrics", headers=headers)
        assert (seen.status_code, "alice" in seen.text) == (200, False)
    assert client.get("/nothing").status_code == 401
    assert client.get("/nothing", headers=bearer(alice)).status_code == 404


def test_old_paths_need_no_key_from_this_machine_only(client, alice, server):
    assert client.post("/check").content == b'{"msg":"Wrong format. "}'
    assert client.post("/check", headers=FAR).status_code == 401
    assert client.post("/check", headers=FAR | bearer(alice)).status_code == 200
    with gateway(server.url) as near:
        assert near.post("/check").status_code == 200
        assert near.post("/check", headers=FAR).status_code == 404
        assert near.get("/", headers=FAR).text.startswith("<!doctype html>")
        assert near.get("/").text == "Hello World!"


def test_over_quota_is_a_429_that_says_when(client, bob, server):
    ask = bearer(bob)
    assert client.post("/v1/solve", content=b"1", headers=ask).status_code == 200
    # Gateways share the bucket.
    keys_file = client.process.args[client.process.args.index("--keys") + 1]
    with gateway(server.url, "--keys", keys_file) as another:
        two = {"images": ["YQ==", "Yg=="]}
        assert another.post("/v1/solve-many", json=two, headers=ask).status_code == 200
        assert another.post("/v1/solve", content=b"4", headers=ask).status_code == 429
    reply = client.post("/v1/solve", content=b"5", headers=ask)
    assert reply.status_code == 429
    assert reply.headers["content-type"] == "application/problem+json"
    assert 0 < int(reply.headers["retry-after"]) <= 1000
    assert "bob may send 0.001 captchas a second, 3 at once" in reply.json()["detail"]


def test_a_long_list_is_paid_off_and_tokens_come_back(server, monkeypatch):
    key = Key.make("long", rate=100, burst=2)[0]

    async def take_all():
        store = connect_store(server.url, "mymaster", socket_timeout=5)
        quota = Quota(store, key_prefix="")
        await quota.take(key, 10, timeout=5)
        with pytest.raises(HTTPException) as raised:
            await quota.take(key, 1, timeout=5)
        await asyncio.sleep(0.15)
        taken = quota._take

        async def slow(*args):
            await asyncio.sleep(0.01)
            return await taken(*args)

        # What is left of the time is told in milliseconds.
        monkeypatch.setattr(quota, "_take", slow)
        assert 4 < await quota.take(key, 1, timeout=5) < 5
        assert await quota.take(None, 1000, timeout=5) == 5
        expires = await store.ttl(BUCKET + "long")
        await store.connection_pool.disconnect()
        return raised.value, expires

    refused, expires = asyncio.run(take_all())
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
    assert 0 < expires <= 2


def test_a_quota_goes_on_though_the_servers_clock_was_set_back(server, redis):
    key = Key.make("early", rate=100, burst=2)[0]
    redis.hset(BUCKET + "early", mapping={"tokens": "-1", "at": f"{redis.time()[0] + 3600}.5"})

    async def take_all() -> None:
        store = connect_store(server.url, "mymaster", socket_timeout=5)
        quota = Quota(store, key_prefix="")
        with pytest.raises(HTTPException):
            await quota.take(key, 1, timeout=5)
        await asyncio.sleep(0.1)
        await quota.take(key, 2, timeout=5)
        await store.connection_pool.disconnect()

    asyncio.run(take_all())
    assert 0 < redis.ttl(BUCKET + "early") <= 2


def test_the_file_is_followed_and_a_broken_one_changes_nothing(client, file, alice):
    carol = keys("add", "carol", "--file", file).stdout.strip()

    def status(key):
        return client.post("/v1/solve", content=b"any", headers=bearer(key)).status_code

    wait_until(lambda: status(carol) == 200, 5)
    assert keys("remove", "carol", "--file", file).exit_code == 0
    wait_until(lambda: status(carol) == 401, 5)
    good = file.read_text()
    try:
        file.write_text('{"keys": [')
        wait_until(lambda: status(alice) == 200 and "keys from before stay" in client.log, 5)
    finally:
        file.write_text(good)


def test_nothing_is_logged_but_sizes_and_outcomes(client, alice):
    client.post("/v1/solve?timeout=5&secret=hush", content=b"hush", headers=bearer(alice))
    client.post("/hush", content=b"hush", headers=bearer("hush.hush"))
    for line in ("POST /v1/solve 200, 4 bytes, ", "POST other 401, 0 bytes"):
        wait_until(lambda line=line: line in client.log)
    assert "hush" not in client.log
    assert alice not in client.log


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is no file of keys"),
        ("[]", "is no file of keys"),
        ('{"keys": [{"name": "a"}]}', "sha256"),
        ('{"keys": [{"name": "A b", "sha256": "%s"}]}', "not 'A b'"),
        ('{"keys": [{"name": "a", "sha256": "abc"}]}', "64 hexadecimal digits"),
        ('{"keys": [{"name": "a", "sha256": "%s", "rate": 1}]}', "both or none"),
        (
            '{"keys": [{"name": "a", "sha256": "%s", "rate": NaN, "burst": 1}]}',
            "rate=nan",
        ),
        ('{"keys": [{"name": "a", "sha256": "%s", "rate": 1, "burst": 0}]}', "burst=0"),
        ('{"keys": [{"name": "a", "sha256": "%s", "speed": 1}]}', "no such thing as speed"),
        ('{"keys": [{"name": "a", "sha256": "%s"}, {"name": "a", "sha256": "%s"}]}', "called a"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path, text, why):
    path = tmp_path / "keys.json"
    path.write_text(text.replace("%s", "0" * 64))
    with pytest.raises(BadKeyFile, match=why) as raised:
        KeyFile(path)
    assert str(path) in str(raised.value)


def test_a_file_that_is_not_there_ends_the_command(tmp_path):
    result = CliRunner().invoke(main, ["serve", "--keys", str(tmp_path / "none.json")])
    assert result.exit_code == 1
    assert "cannot be read" in result.stderr
    assert "tilefleet keys add" in result.stderr


def test_keys_are_changed_by_one_at_a_time(tmp_path):
    path = tmp_path / "keys.json"

    def add(number):
        with changing(path) as kept:
            kept[f"k{number}"] = Key.make(f"k{number}")[0]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(24)))
    assert len(json.loads(path.read_text())["keys"]) == 24
    assert "no quota" in keys("list", "--file", path).stdout
    again = keys("add", "k1", "--file", path)
    assert (again.exit_code, "remove it first" in again.stderr) == (1, True)
    assert keys("add", "Not A Name", "--file", path).exit_code == 1
    assert keys("remove", "nobody", "--file", path).exit_code == 1
    assert len(KeyFile(path)) == 24


def test_an_address_that_others_reach_needs_keys_or_a_word(monkeypatch):
    monkeypatch.delenv("TILEFLEET_KEYS", raising=False)
    result = CliRunner().invoke(main, ["serve", "--host", "0.0.0.0", "--port", "0"])
    assert result.exit_code == 1
    assert "give --keys FILE" in result.stderr
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(main, ["serve", "--port", str(port)])
    assert result.exit_code == 1
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use; --port" in result.stderr


# Slow, long and broken requests, and the end ------------------------------------------------------


def connect(client):
    return socket.create_connection(("127.0.0.1", client.base_url.port), timeout=20)


def reply_to(client, data: bytes) -> bytes:
    with connect(client) as line:
        line.sendall(data)
        return b"".join(iter(lambda: line.recv(65536), b""))


def test_slow_senders_are_cut_off(client, alice):
    """One sends no head, one half a head, one half a body: none is kept."""
    head = f"POST /v1/solve HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {alice}\r\n"
    begun = monotonic()
    parts = [b"", b"GET / HTTP/1.1\r\nHost:", f"{head}Content-Length: 9\r\n\r\nhalf".encode()]
    with ThreadPoolExecutor(3) as pool:
        silent, half, body = pool.map(lambda part: reply_to(client, part), parts)
    assert monotonic() - begun < 15
    assert silent == b""
    assert half.startswith(b"HTTP/1.1 408 ")
    assert body.startswith(b"HTTP/1.1 408 ")
    assert b"4 bytes of the body in time" in body


def test_heads_without_end_are_refused(client):
    reply = reply_to(client, b"GET / HTTP/1.1\r\n" + b"A: " + b"a" * (40 << 10))
    assert reply.startswith(b"HTTP/1.1 431 ")
    assert reply_to(client, b"\x16\x03\x01 no HTTP\r\n\r\n").startswith(b"HTTP/1.1 400 ")


def test_a_body_that_is_too_long_is_refused_before_it_is_sent(client, alice):
    head = (
        f"POST /v1/solve HTTP/1.1\r\nHost: a\r\nX-API-Key: {alice}\r\nExpect: 100-continue\r\n"
        "Content-Length: 9000000\r\n\r\n"
    )
    reply = reply_to(client, head.encode())
    assert reply.startswith(b"HTTP/1.1 413 ")
    assert b'"title":"TooLarge"' in reply


def test_all_bodies_together_are_bounded(server):
    """Five lists of 60 MiB, of five addresses and none of them complete, are more than 256 MiB."""
    first = b"POST /v1/solve-many HTTP/1.1\r\nHost: a\r\nContent-Length: 67000000\r\n"
    heads = [b"%bX-Forwarded-For: 192.0.2.%d\r\n\r\n" % (first, number) for number in range(5)]
    with gateway(server.url) as client:
        with ExitStack() as lines:
            for head in heads[1:]:
                lines.enter_context(connect(client)).sendall(head + bytes(60 << 20))
            fifth = lines.enter_context(connect(client))
            with suppress(OSError):
                fifth.sendall(heads[0] + bytes(60 << 20))
            reply = fifth.recv(65536)
            assert reply.startswith(b"HTTP/1.1 503 ")
            assert b"at most 268435456" in reply
        assert client.post("/v1/solve", content=b"any").status_code == 200


def test_what_was_accepted_is_answered_before_it_stops(server):
    with gateway(server.url) as client, connect(client) as line:
        line.sendall(b"POST /v1/solve HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nslow")
        wait_until(lambda: in_flight(client) >= 2)
        client.process.terminate()
        reply = b"".join(iter(lambda: line.recv(65536), b""))
        assert reply.startswith(b"HTTP/1.1 200 ")
        assert b'"picks":[1]' in reply
        assert client.process.wait(10) == 0
        with pytest.raises(ConnectionRefusedError):
            connect(client)


def test_a_captcha_whose_client_went_away_is_not_read(server):
    """The worker reads one at a time; what waits behind a slow one is revoked."""
    with gateway(server.url) as client, ThreadPoolExecutor(3) as pool:
        slow = [pool.submit(client.post, "/v1/solve", content=b"slow %d" % n) for n in range(2)]
        wait_until(lambda: in_flight(client) >= 3)
        with connect(client) as line:
            line.sendall(b"POST /v1/solve HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nslow3")
            wait_until(lambda: in_flight(client) >= 4)
        gone = re.compile(r'requests_total\{.*path="/v1/solve",status="499".*\} 1\.0')
        wait_until(lambda: gone.search(client.get("/metrics").text), 1)
        assert [each.result().status_code for each in slow] == [200, 200]
        assert "Error" not in client.log
        assert "ERROR" not in client.log


def test_who_asks_and_goes_away_again_and_again_has_no_more_than_others(server):
    """What was sent on has to be taken back: that is work, too."""
    with gateway(server.url, "--max-requests", "8") as client:
        request = b"POST /v1/solve HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nslow %d"
        with ExitStack() as lines:
            for number in range(4):
                lines.enter_context(connect(client)).sendall(request % number)
            wait_until(lambda: in_flight(client, FAR) == 5)
        wait_until(lambda: in_flight(client, FAR) == 1)
        assert client.post("/v1/solve", content=b"any").status_code == 503
        assert client.post("/v1/solve", content=b"any", headers=FAR).status_code == 200
        wait_until(lambda: client.post("/v1/solve", content=b"any").status_code == 200, 5)


def in_flight(client, headers=None):
    """With the one that asks."""
    (line,) = (
        line
        for line in client.get("/metrics", headers=headers).text.splitlines()
        if line.startswith("tilefleet_gateway_requests_in_flight{")
    )
    return float(line.split()[-1])


def test_no_store_no_quota(tmp_path):
    path = tmp_path / "keys.json"
    text = keys("add", "dora", "--file", path, "--rate", "5").stdout.strip()
    url = f"redis://127.0.0.1:{free_port()}/0"
    with gateway(url, "--keys", str(path)) as alone:
        reply = alone.post("/v1/solve", content=b"any", headers=bearer(text))
        assert (reply.status_code, reply.json()["title"]) == (503, "FleetUnreachable")
        assert alone.get("/metrics").status_code == 200
