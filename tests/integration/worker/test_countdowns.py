"""What is due later: a worker holds some of it, the rest waits on the server."""

import json
from time import monotonic, sleep

import pytest
from redis import Redis

from producer import Client
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tests.support.running.fleet import NULL, another_app, ask, solve, wait_until
from tilefleet import wire
from worker.intake import held_later

IMAGE = bytes(10_000)


@pytest.fixture
def own():
    with EmbeddedServer() as server, Redis.from_url(server.url) as redis:
        server.redis = redis
        yield server


def send(own, app, count, *, to=wire.LANE, **options):
    """As many messages as one likes, quickly: copies of one, each with an id of its own."""
    first = solve(app, IMAGE).apply_async(queue="captcha@template", **options)
    message = json.loads(own.redis.rpop("captcha@template"))
    # A worker that holds no such model would have it go to others first.
    message["properties"]["delivery_info"]["routing_key"] = wire.LANE
    pipe = own.redis.pipeline(transaction=False)
    for number in range(count):
        copy = json.dumps(message).replace(first.id, f"later-{number}")
        pipe.lpush(to, copy)
        if number % 500 == 499:
            pipe.execute()
    pipe.execute()


def parked(own):
    return [tag for tag in own.redis.hkeys("unacked") if tag.startswith(b"later:")]


@pytest.mark.parametrize("protocol", [1, 2])
def test_a_worker_holds_so_many_and_stops_in_time(own, protocol):
    count = 3 * held_later.MOST
    with (
        another_app(own.url) as app,
        WorkerProcess(own.url, "-c", "1", environ=NULL) as worker,
        Client(own.url) as fleet,
    ):
        app.conf.task_protocol = protocol
        send(own, app, count, countdown=3600)
        wait_until(lambda: not own.redis.llen(wire.LANE), 60)
        assert fleet.solve(b"somebody waits", timeout=10).model == "null"
        assert len(ask(app, "scheduled")) == held_later.MOST
        assert ask(app, "stats")["prefetch_count"] <= held_later.MOST + 200
        wait_until(lambda: len(parked(own)) == count - held_later.MOST)
        # They are nobody's: no lease of theirs is begun anew, and none ends before they are due.
        assert own.redis.zcount("unacked_index", "-inf", own.redis.time()[0] + 3000) <= 1000
        started = monotonic()
        assert worker.stop() == 0
        assert monotonic() - started < 15
    assert own.redis.llen(wire.LANE) == held_later.MOST
    assert own.redis.hlen("unacked") == count - held_later.MOST


def test_what_was_parked_is_read_when_it_is_due_as_if_it_had_been_sent_then(own):
    count = held_later.MOST + 300
    with (
        another_app(own.url) as app,
        WorkerProcess(own.url, "-c", "1", environ=NULL),
    ):
        send(own, app, count, countdown=8)
        wait_until(lambda: parked(own))
        sent = monotonic()
        done = wait_until(lambda: len(own.redis.keys("celery-task-meta-later-*")) == count, 40)
        assert done
        assert monotonic() - sent < 35
        wait_until(lambda: not own.redis.exists("unacked", "unacked_index"))
        assert ask(app, "stats")["engine_room"]["suspects"]["came_back"] == 0
        assert json.loads(own.redis.get("celery-task-meta-later-0"))["status"] == "SUCCESS"


def test_what_is_parked_outlives_its_worker_and_keeps_its_queue_and_its_priority(own):
    urgent = f"{wire.BULK_LANE}\x06\x163"
    with another_app(own.url) as app:
        with WorkerProcess(own.url, "-c", "1", environ=NULL) as worker:
            send(own, app, held_later.MOST, countdown=3600)
            wait_until(lambda: not own.redis.llen(wire.LANE), 60)
            solve(app, IMAGE).apply_async(queue="captcha@template", countdown=12, priority=4)
            item = own.redis.rpop("captcha@template\x06\x163")
            own.redis.lpush(urgent, item)
            wait_until(lambda: parked(own), 11)
            worker.process.kill()
            worker.process.wait()
        own.redis.delete(wire.LANE)
        with WorkerProcess(own.url, "-c", "1", "-Q", wire.LANE, environ=NULL):
            wait_until(lambda: own.redis.llen(urgent), 30)
        assert own.redis.lrange(urgent, 0, -1) == [item]


def test_a_worker_holds_so_many_bytes(own):
    many = [bytes([number]) * 4_000_000 for number in range(40)]
    environ = {**NULL, "TILEFLEET_MAX_BATCH": "1", "TILEFLEET_MAX_BYTES": "5000000"}
    options = ("-c", "1", "--include", "tests.support.included.strange_engine")
    with (
        another_app(own.url) as app,
        WorkerProcess(own.url, *options, environ=environ) as worker,
        Client(own.url) as fleet,
    ):
        app.control.rate_limit(wire.TASK_SOLVE_MANY, "1/h", reply=True)
        for image in many:
            app.send_task(wire.TASK_SOLVE_MANY, ([image],), queue=wire.BULK_LANE)
        sleep(4)
        assert own.redis.llen(wire.BULK_LANE) > 20
        # Captchas that somebody waits for still come in.
        assert fleet.solve(b"somebody waits", timeout=10).model == "null"
        assert worker.process.poll() is None
