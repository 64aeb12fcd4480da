"""With TILEFLEET_KEY_PREFIX nothing of a fleet is outside it: each key has it in front, once."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest
from redis.exceptions import ResponseError

from producer import Client
from producer.doctor.examine import examine
from producer.local.worker import WorkerProcess
from producer.monitoring.remote import Remote
from producer.monitoring.watch import Watch
from tests.support.running import accounts
from tests.support.running.fleet import NULL
from tests.support.running.gateway import gateway, keys
from tilefleet import wire
from tilefleet.settings import Settings

OWN_SERVER = True
PREFIX = "a:"
LIST = [b"%d" % number + bytes(30_000) for number in range(3)]
#: What names topics, and not keys.
TOPICS = ("SUBSCRIBE", "PSUBSCRIBE", "UNSUBSCRIBE", "PUNSUBSCRIBE")

pytestmark = pytest.mark.skipif(accounts.ON, reason="the accounts' keys have no prefix")


@contextmanager
def overheard(server) -> Iterator[list[list[str]]]:
    """The words of each command that the server gets in the block; complete at its end."""
    commands: list[list[str]] = []
    heard: list[bytes] = []
    with socket.create_connection(("127.0.0.1", server.port)) as line:
        line.sendall(b"MONITOR\r\n")
        listening = Thread(target=heard.extend, args=(line.makefile("rb"),))
        listening.start()
        yield commands
        line.shutdown(socket.SHUT_RDWR)
        listening.join()
    # Scripts' own commands have "lua" in the place of an address.
    said = re.findall(
        r"^\+[\d.]+ \[\d+ (?!lua)[^]]*\] (.*)", b"".join(heard).decode("latin-1"), re.M
    )
    commands += [re.findall(r'"((?:[^"\\]|\\.)*)"', each) for each in said]


def names(redis, words) -> list[str]:
    """Of keys and topics in a command."""
    if words[0] in (*TOPICS, "PUBLISH"):
        return words[1:2] if words[0] == "PUBLISH" else words[1:]
    connection = redis.connection_pool.get_connection()
    try:
        connection.send_command("COMMAND", "GETKEYS", *words)
        return [name.decode("latin-1") for name in connection.read_response()]
    except ResponseError:
        # It has no keys.
        return []
    finally:
        redis.connection_pool.release(connection)


def use_all(url, tmp_path) -> None:
    """What talks to a server, each once; a list is what the worker did last before its end."""
    path = tmp_path / "keys"
    key = keys("add", "a", "--rate", "9", "--file", path).stdout.split()[0]
    ask = {"x-api-key": key, "idempotency-key": "one"}
    settings = Settings.from_environ()
    with Client(url) as fleet, Watch(settings) as watch:
        fleet.submit(b"before there is a worker")
        assert watch.look().waiting == {wire.LANE: 1, wire.BULK_LANE: 0}
    with WorkerProcess(url, environ=NULL):
        with gateway(url, "--keys", str(path)) as http:
            for where in ("/v1/solve", "/readyz", "/metrics"):
                sent = http.post(where, headers=ask, content=b"any") if "v1" in where else None
                assert (sent or http.get(where)).status_code == 200
        with Watch(settings) as watch:
            assert watch.look().workers
        remote = Remote(settings)
        assert remote.ask("ping", remote.workers())
        assert not [
            each for each in examine(gateway=None, timeout_s=5, model=None) if each.state == "fail"
        ]
        with Client(url) as fleet:
            fleet.submit(b"another").cancel()
            assert [answer.model for _, answer in fleet.map(LIST, bulk=True, timeout=20)]


def test_each_key_and_topic_has_the_prefix_once(server, redis, tmp_path, monkeypatch):
    for name, value in (
        ("CELERY_BROKER_URL", server.url),
        ("CELERY_RESULT_BACKEND", server.url),
        ("TILEFLEET_KEY_PREFIX", PREFIX),
    ):
        monkeypatch.setenv(name, value)
    with overheard(server) as commands:
        use_all(server.url, tmp_path)
    # Each with as many words as any, once for each name in it.
    named = {(words[0].upper(), name) for words in commands for name in names(redis, words)}
    assert {"EVAL", "MGET", "DEL", "PUBLISH", "LPUSH", "SET"} <= {command for command, _ in named}
    once = re.compile(f"{PREFIX}(?!{PREFIX})")
    assert not [each for each in named if not once.match(each[1])]
    assert not redis.keys("*tilefleet-body-*")
