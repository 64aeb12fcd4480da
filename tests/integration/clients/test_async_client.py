"""The asyncio client: two connections, nothing lost, nothing left behind."""

import asyncio
import base64
import gc
import json
from contextlib import asynccontextmanager

import msgpack
import pytest
from redis import Redis

from producer import AsyncClient, Client
from producer.client.results.spares import MOST
from producer.local.ports import free_port
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tests.support.running import accounts
from tests.support.running.fleet import NULL, STRANGE, another_app, solve, wait_until
from tests.support.running.servers import FragileServer, stopped
from tilefleet import errors, wire

OWN_SERVER = True


@pytest.fixture(scope="module")
def worker(server):
    # Two lanes: what is slow keeps only those of its own pass.
    environ = {**NULL, "TILEFLEET_MAX_BATCH": "4"}
    with WorkerProcess(server.url, *STRANGE, "-c", "2", environ=environ) as worker:
        yield worker


def images(count: int) -> list[bytes]:
    return [b"image %d" % number for number in range(count)]


def subscriptions(redis) -> list[bytes]:
    return redis.pubsub_channels("celery-task-meta-*")


def test_it_solves_submits_and_maps(server, worker, redis, sample, tmp_path):
    (tmp_path / "captcha.jpg").write_bytes(sample)

    async def use():
        async with AsyncClient(server.url) as fleet:
            assert (await fleet.solve(tmp_path / "captcha.jpg", timeout=10)).picks == (1,)
            pending = await fleet.submit(b"any")
            assert (await pending.result(10)).model == "null"
            assert pending.ready()
            assert (await pending.result(10)).model == "null"
            ordered = [source async for source, _ in fleet.map(images(300), window=100)]
            assert ordered == images(300)
            some = [b"slow", *images(20)]
            loose = [source async for source, _ in fleet.map(some, ordered=False)]
            assert sorted(loose) == sorted(some)
            assert loose[0] != b"slow"
            bulk = [source async for source, _ in fleet.map(images(100), bulk=True)]
            assert bulk == images(100)
            # Unsubscribed while it is open, too, but for those of captchas to come.
            await fleet.solve(b"last", timeout=10)
            await asyncio.sleep(0.1)
            assert len(subscriptions(redis)) <= MOST

    asyncio.run(use())
    wait_until(lambda: not subscriptions(redis))


def test_errors_are_those_of_the_client(server, worker, tmp_path):
    async def use():
        async with AsyncClient(server.url) as fleet:
            with pytest.raises(errors.BadMessage):
                await fleet.solve(5)
            with pytest.raises(FileNotFoundError):
                await fleet.solve(tmp_path / "nothing.jpg")
            mixed = [b"good", tmp_path / "nothing.jpg", b"good too"]
            for bulk in (False, True):
                outcomes = [each async for _, each in fleet.outcomes(mixed, bulk=bulk)]
                assert [type(each).__name__ for each in outcomes] == [
                    "Answer",
                    "FileNotFoundError",
                    "Answer",
                ]
            with pytest.raises(FileNotFoundError):
                [pair async for pair in fleet.map(mixed)]
            pending = await fleet.submit(b"late", expires=-1)
            with pytest.raises(errors.Revoked, match="expired"):
                await pending.result(5)

    asyncio.run(use())


def test_what_is_no_result_is_skipped_and_no_other_result_is_lost(server, worker, redis, caplog):
    async def use():
        async with AsyncClient(server.url) as fleet:
            slow = await fleet.submit(b"slow")
            for text in (b"{", b"[]", b'{"status": []}', b"7", b"{}"):
                assert redis.publish(f"celery-task-meta-{slow.id}", text) == 1
            assert (await fleet.solve(b"another", timeout=10)).model == "null"
            assert (await slow.result(20)).model == "null"

    asyncio.run(use())
    assert caplog.text.count("bytes that are no result") == 5


# Of the connections that go with their loop.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_the_next_event_loop_may_use_it_and_another_beside_it_may_not(server, worker):
    fleet = AsyncClient(server.url)

    async def use():
        return (await fleet.solve(b"any", timeout=10)).model

    # As a program does that never closes it.
    assert asyncio.run(use()) == "null"
    assert asyncio.run(use()) == "null"

    # Nor does it wait for that loop when it is closed in the next one.
    asyncio.run(fleet.close())

    async def beside():
        await use()
        for each in (use(), fleet.close()):
            with pytest.raises(RuntimeError, match="belongs to another event loop"):
                await asyncio.to_thread(asyncio.run, each)
        await fleet.close()

    asyncio.run(beside())
    gc.collect()


def test_a_bad_image_is_raised_as_what_it_is():
    async def use(url):
        async with AsyncClient(url) as fleet:
            with pytest.raises(errors.NotAnImage):
                await fleet.solve(b"text", timeout=10)
            outcomes = [each async for _, each in fleet.outcomes([b"text"] * 3, bulk=True)]
            assert {type(each) for each in outcomes} == {errors.NotAnImage}

    with EmbeddedServer() as own, WorkerProcess(own.url):
        asyncio.run(use(own.url))


def test_what_is_given_up_together_is_revoked_in_few_messages():
    async def use(url):
        async with AsyncClient(url) as fleet:
            held = [await fleet.submit(b"slow %d" % number) for number in range(2)]
            given_up = [await fleet.submit(b"unwanted %d" % number) for number in range(40)]
            for each in given_up:
                each.cancel()
            for each in held:
                await each.result(20)
            await fleet.solve(b"afterwards", timeout=20)
        return [each.id for each in given_up]

    environ = {**NULL, "TILEFLEET_MAX_BATCH": "1"}
    with (
        EmbeddedServer() as own,
        accounts.allowed(own, "producer", *accounts.REVOKE),
        WorkerProcess(own.url, *STRANGE, environ=environ) as worker,
        Redis.from_url(own.url) as redis,
        redis.pubsub() as pubsub,
    ):
        pubsub.subscribe("/0.celery.pidbox")
        given_up = asyncio.run(use(own.url))
        told, messages = [], 0
        while (said := pubsub.get_message(timeout=0.5)) is not None:
            if said["type"] == "message":
                messages += 1
                body = msgpack.unpackb(base64.b64decode(json.loads(said["data"])["body"]))
                ids = body["arguments"]["task_id"]
                told += [ids] if isinstance(ids, str) else ids
        states = {redis.get(f"celery-task-meta-{each}") for each in given_up}
        assert all(b'"REVOKED"' in (state or b"") for state in states), worker.log
    assert sorted(told) == sorted(given_up)
    assert messages <= 10


def test_a_cancelled_captcha_is_revoked_and_not_read():
    async def use(url):
        async with AsyncClient(url) as fleet:
            held = [await fleet.submit(b"slow %d" % number) for number in range(2)]
            task = asyncio.create_task(fleet.solve(b"unwanted", timeout=20))
            await asyncio.sleep(0.2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            for each in held:
                await each.result(10)
            await fleet.solve(b"afterwards", timeout=10)

    environ = {**NULL, "TILEFLEET_MAX_BATCH": "1"}
    with (
        EmbeddedServer() as own,
        accounts.allowed(own, "producer", *accounts.REVOKE),
        WorkerProcess(own.url, *STRANGE, environ=environ),
        Redis.from_url(own.url) as redis,
        redis.pubsub() as pubsub,
    ):
        pubsub.psubscribe("celery-task-meta-*")
        asyncio.run(use(own.url))
        stored = []
        while (said := pubsub.get_message(timeout=0.5)) is not None:
            if said["type"] == "pmessage":
                stored.append(json.loads(said["data"])["status"])
    # Celery writes that it is revoked twice: when told so, and when it would be read.
    assert stored.count("SUCCESS") == 3
    assert set(stored) == {"SUCCESS", "REVOKED"}


def test_so_is_one_that_is_cancelled_while_it_is_sent(server, worker, redis):
    async def use():
        async with AsyncClient(server.url) as fleet:
            await fleet.solve(b"connected", timeout=10)
            with stopped(server.pid):
                sending = asyncio.create_task(fleet.solve(b"any", timeout=20))
                await asyncio.sleep(0.05)
                sending.cancel()
                await asyncio.wait([sending])
            await fleet.solve(b"next", timeout=10)

    with redis.pubsub(ignore_subscribe_messages=True) as heard:
        heard.psubscribe("*celery.pidbox")
        asyncio.run(use())
        wait_until(lambda: "revoke" in str(_command(heard)))


def _command(heard) -> object:
    told = heard.get_message(timeout=1)
    return told and msgpack.unpackb(base64.b64decode(json.loads(told["data"])["body"]))


def test_an_answer_that_does_not_come_is_a_timeout():
    async def use(url):
        async with AsyncClient(url) as fleet:
            with pytest.raises(errors.AnswerTimeout, match=r"within 0\.3 s"):
                await fleet.solve(b"any", timeout=0.3)

    with EmbeddedServer() as own:
        asyncio.run(use(own.url))


def test_a_server_that_is_away_is_an_error_after_a_moment():
    async def use():
        async with AsyncClient(f"redis://127.0.0.1:{free_port()}/0") as fleet:
            async with asyncio.timeout(15):
                with pytest.raises(errors.FleetUnreachable, match=r"127\.0\.0\.1"):
                    await fleet.solve(b"any")

    asyncio.run(use())


def test_above_the_bound_it_is_refused():
    environ = {**NULL, "TILEFLEET_MAX_BATCH": "4", "TILEFLEET_MAX_WAITING": "20"}

    async def use(url):
        async with AsyncClient(url) as fleet:
            pending = []

            async def flood():
                for number in range(500):
                    pending.append(await fleet.submit(b"tenth %d" % number))  # noqa: PERF401

            with pytest.raises(errors.Overloaded, match="20 may with 1 workers"):
                await flood()
            assert len(pending) >= 20
            assert all([await each.result(20) for each in pending])

    async def use_once(url, number):
        async with AsyncClient(url) as fleet:
            with pytest.raises(errors.Overloaded):
                await fleet.submit(b"tenth of another %d" % number)

    with EmbeddedServer() as own, WorkerProcess(own.url, *STRANGE, environ=environ):
        asyncio.run(use(own.url))
        with another_app(own.url) as unbounded:
            # More than are read while three clients connect.
            sent = [solve(unbounded, b"tenth %d" % each).apply_async() for each in range(500, 800)]
            # Those who send but one are refused as well.
            for number in range(3):
                asyncio.run(use_once(own.url, number))
            assert all(each.get(timeout=30) for each in sent)


def test_what_is_answered_does_not_count_against_the_bound():
    environ = {**NULL, "TILEFLEET_MAX_WAITING": "20"}

    async def use(url):
        async with AsyncClient(url) as fleet:
            for image in images(300):
                await fleet.solve(image, timeout=20)
            mapped = [one async for one in fleet.map([b"the same"] * 300, window=10)]
            assert len(mapped) == 300
        with Client(url) as fleet:
            for image in images(300):
                fleet.solve(image, timeout=20)

    with EmbeddedServer() as own, WorkerProcess(own.url, environ=environ):
        asyncio.run(use(own.url))


@asynccontextmanager
async def in_flight(url, count):
    async with AsyncClient(url) as fleet:
        yield await asyncio.gather(*(fleet.submit(image) for image in images(count)))


def test_a_thousand_in_flight_need_two_connections_and_outlive_a_restart():
    async def use(server):
        with Redis.from_url(server.url) as redis:
            before = len(redis.client_list())
            async with in_flight(server.url, 1000) as pending:
                assert len(redis.client_list()) == before + 2
                assert redis.llen(wire.LANE) == 1000
                server.kill()
                await asyncio.sleep(0.5)
                server.restart()
                worker = WorkerProcess(server.url, environ=NULL)
                await asyncio.to_thread(worker.__enter__)
                try:
                    answers = await asyncio.gather(*(each.result(30) for each in pending))
                finally:
                    await asyncio.to_thread(worker.stop)
                assert len(answers) == 1000

    with FragileServer() as server:
        asyncio.run(use(server))
