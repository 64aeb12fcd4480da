"""What becomes of captchas whose worker is gone, or seems to be."""

import json
import signal
from time import monotonic, sleep

import pytest
from celery import Celery
from kombu import Connection, Exchange, Queue

from producer import Client
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tests.support.running.fleet import STRANGE, another_app, ask, solve, wait_until
from tests.support.running.servers import stopped
from tilefleet import errors, wire

LEASE_S = 2
NULL = {"TILEFLEET_ENGINE": "null", "TILEFLEET_LEASE_S": str(LEASE_S)}


@pytest.fixture
def server():
    with EmbeddedServer() as server:
        yield server


def nothing_is_claimed(redis) -> bool:
    return not (redis.llen(wire.LANE) or redis.hlen("unacked") or redis.zcard("unacked_index"))


def room_of(app) -> dict:
    return ask(app, "stats")["engine_room"]


def test_a_killed_worker_s_captchas_are_answered_by_another(server, redis):
    first = WorkerProcess(server.url, *STRANGE, "-n", "first@%h", environ=NULL)
    second = WorkerProcess(server.url, "-n", "second@%h", environ=NULL)
    with Client(server.url) as fleet, first:
        pending = [fleet.submit(b"stuck %d" % number) for number in range(3)]
        wait_until(lambda: redis.hlen("unacked") == 3)
        with second:
            first.process.send_signal(signal.SIGKILL)
            killed = monotonic()
            for each in pending:
                assert each.result(20).model == "null"
            assert monotonic() - killed < LEASE_S + 2
            wait_until(lambda: nothing_is_claimed(redis))


def test_a_living_worker_keeps_what_it_holds_longer_than_a_lease(server, redis):
    environ = {**NULL, "TILEFLEET_LEASE_S": "1", "TILEFLEET_MAX_BATCH": "1"}
    first = WorkerProcess(server.url, *STRANGE, environ=environ)
    second = WorkerProcess(server.url, environ=environ)
    with Client(server.url) as fleet, first, another_app(server.url) as app:
        pending = [fleet.submit(b"slow %d" % number) for number in range(3)]
        later = solve(app, b"later").apply_async(countdown=3)
        wait_until(lambda: redis.hlen("unacked") == 3)
        with second:
            for each in pending:
                assert each.result(10).model == "null"
            assert later.get(timeout=10)
            # Each was read once, by whichever of them.
            replies = app.control.broadcast("stats", reply=True, limit=2, timeout=10)
            rooms = [stats["engine_room"] for reply in replies for stats in reply.values()]
            assert sum(room["captchas"] for room in rooms) == 4


def test_a_worker_that_was_stopped_for_a_while_does_no_harm(server, redis):
    first = WorkerProcess(server.url, *STRANGE, environ=NULL)
    second = WorkerProcess(server.url, environ=NULL)
    with Client(server.url) as fleet, first, second:
        pending = [fleet.submit(b"slow %d" % number) for number in range(20)]
        with stopped(first.process.pid):
            answers = [each.result(20) for each in pending]
        assert len(answers) == 20
        assert fleet.solve(b"after", timeout=10).model == "null"
        wait_until(lambda: nothing_is_claimed(redis))


def test_what_has_an_answer_already_is_only_acknowledged(server, redis):
    with Client(server.url) as fleet, another_app(server.url) as app:
        pending = fleet.submit(b"any")
        message = json.loads(redis.rpop(wire.LANE))
        message["properties"]["delivery_info"]["redelivered"] = True
        with WorkerProcess(server.url, environ=NULL):
            # The same captcha, answered and then delivered again.
            redis.lpush(wire.LANE, json.dumps(message))
            assert pending.result(10)
            redis.lpush(wire.LANE, json.dumps(message))
            wait_until(lambda: room_of(app)["suspects"]["came_back"] == 2)
            wait_until(lambda: nothing_is_claimed(redis))
            room = room_of(app)
            assert room["captchas"] == 1
            assert room["suspects"]["were_answered"] == 1


def test_a_captcha_that_ends_its_worker_is_given_up_and_the_others_are_answered(server, redis):
    environ = {**NULL, "TILEFLEET_LEASE_S": "1"}
    with Client(server.url) as fleet:
        others = [fleet.submit(b"before %d" % number) for number in range(10)]
        crash = fleet.submit(b"crash")
        others += [fleet.submit(b"after %d" % number) for number in range(10)]
        deaths = 0
        while not crash.ready():
            worker = WorkerProcess(server.url, *STRANGE, environ=environ)
            with worker:
                wait_until(lambda w=worker: crash.ready() or w.process.poll() is not None)
            deaths += not crash.ready()
        assert deaths == 3
        with pytest.raises(errors.GivenUp, match="3 workers were lost"):
            crash.result(1)
        with WorkerProcess(server.url, *STRANGE, environ=environ):
            for each in others:
                assert each.result(10).model == "null"
            wait_until(lambda: nothing_is_claimed(redis))


def test_stock_workers_restore_what_ours_had_claimed(server, redis):
    with Client(server.url) as fleet:
        with WorkerProcess(server.url, *STRANGE, environ=NULL) as ours:
            pending = [fleet.submit(b"stuck %d" % number) for number in range(3)]
            wait_until(lambda: redis.hlen("unacked") == 3)
            ours.process.kill()
            ours.process.wait()
        sleep(1.1)
        with Connection(server.url, transport_options={"visibility_timeout": 1}) as connection:
            connection.default_channel.qos.restore_visible(interval=1)
        assert redis.llen(wire.LANE) == 3
        assert redis.hlen("unacked") == 0
        with WorkerProcess(server.url, environ=NULL):
            assert all(each.result(10) for each in pending)


def test_ours_restore_what_a_stock_worker_had_claimed(server, redis):
    app = Celery("stock", broker=server.url, set_as_current=False)
    with Client(server.url) as fleet:
        pending = [fleet.submit(b"any %d" % number) for number in range(3)]
        with app.connection_for_read() as connection:
            channel = connection.channel()
            queue = Queue(wire.LANE, Exchange(wire.LANE), wire.LANE)(channel)
            for _ in pending:
                assert queue.get(no_ack=False) is not None
            # As a kill would: nothing is given back.
            channel.qos.restore_at_shutdown = False
        assert redis.hlen("unacked") == 3
        with WorkerProcess(server.url, environ=NULL):
            assert all(each.result(10) for each in pending)
            wait_until(lambda: nothing_is_claimed(redis))
    app.close()


def test_what_other_applications_have_claimed_is_theirs(server, redis):
    """However long they hold it, and however much of it is older than what is ours."""
    record = json.dumps([{"headers": {}, "body": ""}, "shop", "shop"])
    for number in range(3000):
        redis.hset("unacked", f"other-{number}", record)
        redis.zadd("unacked_index", {f"other-{number}": number})
    with Client(server.url) as fleet:
        with WorkerProcess(server.url, *STRANGE, environ=NULL) as first:
            pending = [fleet.submit(b"stuck %d" % number) for number in range(3)]
            wait_until(lambda: redis.hlen("unacked") == 3003)
            first.process.kill()
            first.process.wait()
        with WorkerProcess(server.url, environ=NULL):
            assert all(each.result(20).model == "null" for each in pending)
            wait_until(lambda: redis.hlen("unacked") == redis.zcard("unacked_index") == 3000)
    assert not redis.llen("shop")
