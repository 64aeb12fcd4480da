"""Sending is tried again as often as was asked for, and nothing is accepted twice."""

import asyncio
import json
import signal
from concurrent.futures import ThreadPoolExecutor
from threading import Timer
from time import sleep

import pytest
from redis import Redis

from producer import AsyncClient, Client
from producer.client import message
from producer.client.connection import connect
from producer.client.transport.outbox import NOTE, Batch, Sending
from producer.gateway.idempotency import Replies
from producer.gateway.keys import Key
from producer.gateway.quota import Quota
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tests.support.running.fleet import NULL, wait_until
from tests.support.running.servers import FragileServer, Wire
from tilefleet import FleetUnreachable, Overloaded, Retries, wire
from tilefleet.settings import Settings
from tilefleet.testing import AnswerFactory

SOON = Retries(20, pause_s=0.05, longest_s=0.2)


@pytest.fixture
def server():
    with EmbeddedServer() as server:
        yield server


def waiting(redis, lane=wire.LANE) -> list[str]:
    """Task ids of the messages that wait."""
    return [json.loads(item)["headers"]["id"] for item in redis.lrange(lane, 0, -1)]


@pytest.mark.parametrize("retries", [None, SOON])
def test_what_was_heard_though_its_reply_was_lost_is_accepted_once(server, redis, retries):
    with (
        Wire(server.port) as cable,
        Client(cable.url, server.url, retries=retries) as fleet,
        ThreadPoolExecutor(8) as pool,
    ):
        first = fleet.submit(b"first")
        cable.lose_replies(2)
        sent = list(pool.map(lambda number: fleet.submit(b"%d" % number), range(8)))
        bulk = fleet.submit(b"bulk", bulk=True)
    assert sorted(waiting(redis)) == sorted(each.id for each in (first, *sent))
    assert waiting(redis, wire.BULK_LANE) == [bulk.id]
    notes = list(redis.scan_iter(NOTE + "*"))
    assert notes
    assert all(0 < redis.ttl(note) < 600 for note in notes)


@pytest.mark.parametrize("retries", [None, SOON])
def test_where_a_name_leads_to_another_server_what_became_a_replica_is_left(server, redis, retries):
    with (
        EmbeddedServer() as other,
        Redis.from_url(other.url) as redis_there,
        Wire(server.port) as cable,
        Client(cable.url, retries=retries) as fleet,
    ):
        fleet.submit(b"first")
        # Of nobody that it hears of: nor do those who listen there.
        redis.replicaof("127.0.0.1", 1)
        cable.lead_to(other.port)
        sent = [fleet.submit(b"next") for _ in range(3)]
        assert waiting(redis_there) == [each.id for each in reversed(sent)]
        meta = {"status": "SUCCESS", "result": AnswerFactory(seed=7).build().encode()}
        for each in sent:
            redis_there.publish(f"celery-task-meta-{each.id}", json.dumps(meta))
            assert each.result(5) == AnswerFactory(seed=7).build()


def test_and_so_it_is_by_a_gateway_s_quotas_and_replies(server, redis):
    one = Key("one", "0" * 64, 100.0, 100)

    async def use(other, cable):
        store = connect(cable.url, Settings(), socket_timeout=5)
        quota, replies = Quota(store, key_prefix=""), Replies(store, key_prefix="")

        async def begin(key):
            return await replies.begin(key, owner="", asked="", timeout=5)

        for ask in (lambda: quota.take(one, 1, timeout=5), lambda: begin("first")):
            await ask()
            cable.lead_to(other.port)
            redis.replicaof("127.0.0.1", other.port)
            with pytest.raises(FleetUnreachable, match="ReadOnlyError"):
                await ask()
            await ask()
            redis.replicaof("no", "one")
            cable.lead_to(server.port)
            await store.connection_pool.disconnect()
        await store.aclose()

    with EmbeddedServer() as other, Wire(server.port) as cable:
        asyncio.run(use(other, cable))


def test_a_try_that_arrives_while_the_next_one_begins_is_one(server, redis):
    """As of a server that hung: what was sent before arrives when the note was looked for."""

    async def use():
        client = connect(server.url, Settings(), socket_timeout=5)
        sent = [message.solve(b"any", lane=lane, now=0, expires=9) for lane in ("captcha", "other")]
        accepted = [asyncio.get_running_loop().create_future() for _ in sent]
        sendings = [Sending([one], future) for one, future in zip(sent, accepted, strict=True)]
        batch = Batch(sendings, name="here", key_prefix="x", noted_s=60)
        (note,) = {command[1] for command in batch._commands() if command[0] == "SET"}
        execute = client.pipeline

        def pipeline(**options):
            pipe = execute(**options)
            multi = pipe.multi

            def late():
                redis.set(note, "")
                multi()

            pipe.multi = late
            return pipe

        client.pipeline = pipeline
        await batch.push_again(client)
        assert [future.done() for future in accepted] == [True, True]
        client.pipeline = execute
        await client.aclose()
        await client.connection_pool.disconnect()

    asyncio.run(use())
    assert redis.llen("xcaptcha") == redis.llen("xother") == 0


def test_who_gives_up_meanwhile_holds_up_no_others(server, redis):
    """A captcha that nobody waits for any more when the server's reply comes."""

    async def use():
        async with AsyncClient(server.url) as fleet:
            await fleet.submit(b"first")
            for _ in range(50):
                bulk = [asyncio.create_task(fleet.submit(b"bulk", bulk=True)) for _ in range(2)]
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                for task in bulk:
                    task.cancel()
                await asyncio.gather(*bulk, return_exceptions=True)
                await fleet.submit(b"any")

    asyncio.run(use())
    assert len(waiting(redis)) == 51


def test_a_lane_that_is_none_fails_its_own_captchas_only(server, redis):
    redis.set(wire.BULK_LANE, "no list")
    with Client(server.url) as fleet, ThreadPoolExecutor(2) as pool:
        bulk = pool.submit(fleet.submit, b"bulk", bulk=True)
        assert fleet.submit(b"any").id in waiting(redis)
        with pytest.raises(FleetUnreachable, match="WRONGTYPE"):
            bulk.result(10)


def test_a_server_that_is_restarted_is_waited_for_as_long_as_asked():
    with FragileServer() as server, WorkerProcess(server.url, environ=NULL):
        with Client(server.url, retries=Retries(40, longest_s=0.3)) as fleet:
            assert fleet.solve(b"any", timeout=20).model == "null"
            server.kill()
            Timer(3.0, server.restart).start()
            assert fleet.solve(b"any", timeout=60).model == "null"
        with Client(server.url, retries=0) as fleet:
            fleet.solve(b"any", timeout=20)
            server.kill()
            with pytest.raises(FleetUnreachable):
                fleet.solve(b"any", timeout=20)
            server.restart()
            assert wait_until(lambda: answered(fleet)) == "null"


def answered(fleet):
    try:
        return fleet.solve(b"any", timeout=20).model
    except FleetUnreachable:
        return None


def test_a_full_lane_is_waited_for(server):
    environ = {**NULL, "TILEFLEET_MAX_WAITING": "2"}
    with (
        WorkerProcess(server.url, environ=environ) as worker,
        ThreadPoolExecutor(1) as pool,
        Client(server.url, retries=SOON) as fleet,
        Client(server.url) as hasty,
    ):
        for client in (fleet, hasty):
            client.solve(b"any", timeout=20)
        worker.process.send_signal(signal.SIGSTOP)
        try:
            sent = [hasty.submit(b"%d" % number) for number in range(2)]
            with pytest.raises(Overloaded):
                hasty.submit(b"more")
            late = pool.submit(fleet.solve, b"late", timeout=30)
            sleep(0.5)
            assert not late.done()
        finally:
            worker.process.send_signal(signal.SIGCONT)
        assert late.result(30).model == "null"
        assert [each.result(10).model for each in sent] == ["null"] * 2
