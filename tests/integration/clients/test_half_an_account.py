"""A sender whose account may not do all that a client asks: what it may do, it does."""

import asyncio
import base64
import json
import logging
import subprocess
import sys
from time import time

import msgpack
import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from producer import AsyncClient, Client
from producer.client import transport
from producer.client.results import expected
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tests.support.running import accounts
from tests.support.running.fleet import NULL, wait_until
from tests.support.running.servers import Wire
from tilefleet import report, wire
from tilefleet.errors import AnswerTimeout, Overloaded, Revoked
from tilefleet.report import Report

#: What a client asks beside sending, and what it says where that is refused.
BESIDE = {
    "hvals": "how much may wait is not known",
    "llen": "how much may wait is not known",
    "time": "how much may wait is not known",
    "publish": "captchas that nobody wants are read",
    "mget": "",
    "client": "",
    "hello": "",
}


@pytest.fixture(scope="module")
def server():
    # Nobody reads the bulk lane.
    options = ("-c", "1", "-Q", wire.LANE)
    with EmbeddedServer() as server, WorkerProcess(server.url, *options, environ=NULL):
        yield server
        accounts.forget(server)


def account(server, *rules) -> str:
    """The URL of one that may do everything but that."""
    everything = ("reset", "on", ">pw", "~*", "&*", "+@all")
    with Redis.from_url(server.url) as redis:
        redis.execute_command("ACL", "SETUSER", "half", *everything, *rules)
    return f"redis://half:pw@127.0.0.1:{server.port}/0"


@pytest.mark.parametrize("missing", BESIDE)
def test_captchas_do_not_wait_for_what_the_account_may_not_ask(server, missing, caplog):
    url = account(server, f"-{missing}")
    with caplog.at_level(logging.WARNING), Client(url) as fleet:
        for number in range(3):
            # Less than a look waits for its reply.
            assert fleet.solve(f"{missing} {number}".encode(), timeout=0.9).model == "null"
            fleet.submit(f"{missing} not {number}".encode(), bulk=True).cancel()
        # Behind what was said of it.
        fleet.solve(f"{missing} last".encode(), timeout=5)
    said = [each.getMessage() for each in caplog.records]
    assert len(said) == bool(BESIDE[missing])
    assert all(BESIDE[missing] in each and "permission" in each for each in said)
    assert not any("pw" in each for each in said)


def test_a_list_has_its_images_in_it_where_the_account_may_store_none_beside(server, caplog):
    """As with the accounts of a version before."""
    keys = ("~captcha*", "~celery-task-meta-*", "~tilefleet-accepted-*", f"~{report.KEY}")
    url = account(server, "resetkeys", *keys)
    images = [b"%d" % number * 40_000 for number in range(4)]
    with (
        caplog.at_level(logging.WARNING),
        Client(url) as fleet,
        Redis.from_url(server.url) as redis,
    ):
        redis.delete(wire.BULK_LANE)
        fleet.solve(b"any", timeout=5)
        for sent in (1, 2):
            outcomes = [outcome for _, outcome in fleet.outcomes(images, bulk=True, timeout=0.5)]
            assert {type(each) for each in outcomes} == {AnswerTimeout}
            assert redis.llen(wire.BULK_LANE) == sent
            item = json.loads(redis.lindex(wire.BULK_LANE, 0))
            assert wire.STORED not in item["headers"]
            ((listed,), _, _) = msgpack.unpackb(base64.b64decode(item["body"]))
            assert listed == images
        assert not redis.keys(wire.body_key("*"))
    (said,) = [each.getMessage() for each in caplog.records if "images of lists" in each.message]
    assert "permission" in said


def test_a_look_at_one_lane_answers_for_no_other():
    """A captcha of each lane is first at once; one of the lanes is full."""

    async def use(url):
        async with AsyncClient(url) as fleet:
            first = asyncio.create_task(fleet.submit(b"any"))
            await asyncio.sleep(0.15)
            with pytest.raises(Overloaded):
                await fleet.submit(b"any", bulk=True)
            await first

    with EmbeddedServer() as own, Redis.from_url(own.url) as redis, Wire(own.port) as line:
        told = Report(rate=1.0, bounds={wire.LANE: 9, wire.BULK_LANE: 9}, model="any@1").encode()
        redis.hset(report.KEY, "one@here", f"{int(time())} {told}")
        redis.lpush(wire.BULK_LANE, *range(10))
        line.delay_s = 0.1
        asyncio.run(use(line.url))


def test_results_that_came_meanwhile_are_had_though_the_first_look_for_them_fails(monkeypatch):
    """Where results are on another server, its own connection may break when the other is back."""
    looks = []

    async def exchange(client, commands):
        if commands and commands[0][0] == "MGET":
            looks.append(commands)
            if len(looks) == 1:
                raise RedisConnectionError("lost again")
        return await beneath(client, commands)

    beneath = transport.exchange
    monkeypatch.setattr(transport, "exchange", exchange)
    with EmbeddedServer() as own, Wire(own.port) as line:
        store, results = own.url.replace("/0", "/1"), line.url.replace("/0", "/1")
        with Redis.from_url(store) as redis, Client(own.url, results) as fleet:
            pending = fleet.submit(b"any")
            line.cut()
            meta = {"status": "FAILURE", "result": {"exc_type": "GivenUp", "exc_message": ["x"]}}
            redis.set(f"celery-task-meta-{pending.id}", json.dumps(meta))
            line.mend()
            wait_until(pending.ready, 10)
    assert len(looks) > 1


FORKS_WHILE_A_THREAD_CONNECTS = """
import os, sys, threading, time
from producer import Client

class Slow(Client):
    def _connect(self):
        time.sleep(0.5)
        return super()._connect()

fleet = Slow(sys.argv[1])
thread = threading.Thread(target=fleet.solve, args=(b"parent",))
thread.start()
time.sleep(0.2)
child = os.fork()
assert fleet.solve(b"any", timeout=10).model == "null"
if child:
    sys.exit(os.waitpid(child, 0)[1])
os._exit(0)
"""


def test_a_child_that_is_forked_while_another_thread_connects_goes_on(server):
    command = [sys.executable, "-W", "ignore", "-c", FORKS_WHILE_A_THREAD_CONNECTS, server.url]
    done = subprocess.run(command, timeout=30, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_what_nobody_ever_tells_of_is_not_expected_for_ever(monkeypatch):
    """Purged, or lost with its server: a program that submits and forgets must not grow."""
    monkeypatch.setattr(expected, "_OLD_S", 0.1)
    monkeypatch.setattr(expected.wire, "RESULT_EXPIRES_S", 0)
    with EmbeddedServer() as own, Redis.from_url(own.url) as redis, Client(own.url) as fleet:
        before = [fleet.submit(b"%d" % number, expires=3) for number in range(100)]
        later = fleet.submit(b"later", expires=60)
        redis.flushall()
        assert len(redis.pubsub_channels("celery-task-meta-*")) > 100
        wait_until(lambda: all(each.ready() for each in before))
        with pytest.raises(Revoked, match="nothing was heard of it"):
            before[0].result(1)
        assert not later.ready()
        # With some for captchas to come.
        wait_until(lambda: len(redis.pubsub_channels("celery-task-meta-*")) < 50)
