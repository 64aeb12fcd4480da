"""What is no task: the sender hears of it where an id can be read, the worker goes on."""

import base64
import json

import pytest
from celery.result import AsyncResult

from producer import Client
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tests.support.data.bad_messages import SECRET, WITH_ID, WITHOUT_ID, message
from tests.support.running.fleet import another_app, ask, null_fleet, solve, wait_until
from tilefleet import errors, wire


@pytest.fixture(scope="module")
def at_work():
    with null_fleet() as fleet:
        yield fleet


@pytest.fixture
def redis(at_work):
    return at_work.redis


@pytest.fixture
def fleet(at_work):
    return at_work.client


@pytest.fixture(scope="module")
def app(at_work):
    with another_app(at_work.server.url) as app:
        yield app


def test_every_kind_with_an_id_fails_with_what_is_wrong(app, redis, fleet):
    for number, (name, (text, why)) in enumerate(WITH_ID.items()):
        task_id = f"bad-{number}"
        redis.lpush(wire.LANE, text.replace("an-id", task_id))
        result = AsyncResult(task_id, app=app)
        wait_until(lambda r=result: r.failed(), 5)
        assert isinstance(result.result, errors.BadMessage), name
        assert why in str(result.result), name
    assert fleet.solve(b"any", timeout=5).model == "null"


def test_an_unknown_task_fails_as_celery_says(app, redis):
    redis.lpush(wire.LANE, message(headers={"task": "nothing.here", "id": "unknown"}))
    result = AsyncResult("unknown", app=app)
    wait_until(lambda: result.failed(), 5)
    assert type(result.result).__name__ == "NotRegistered"


def test_every_kind_without_an_id_is_counted_and_dropped(app, redis, fleet):
    def dropped() -> int:
        room = ask(app, "stats")["engine_room"]
        return room["errors"].get("BadMessage", 0) + room["transport"]["unreadable"]

    before = dropped()
    for text in WITHOUT_ID.values():
        redis.lpush(wire.LANE, text)
    assert fleet.solve(b"any", timeout=5).model == "null"
    wait_until(lambda: dropped() == before + len(WITHOUT_ID), 5)
    wait_until(lambda: not redis.hlen("unacked"), 5)


def test_no_body_is_ever_in_the_log(at_work, fleet):
    worker = at_work.worker
    assert fleet.solve(SECRET, timeout=5).model == "null"
    assert "secret" not in worker.log
    assert "Traceback" not in worker.log
    assert worker.process.poll() is None


def test_a_body_of_fifty_megabytes_is_answered_and_others_with_it():
    """From a sender that is not our client, which refuses to send it."""
    with (
        EmbeddedServer() as own,
        WorkerProcess(own.url) as worker,
        Client(own.url) as fleet,
        another_app(own.url) as stranger,
    ):
        huge = [solve(stranger, bytes(50_000_000)).apply_async() for _ in range(3)]
        small = fleet.submit(b"any")
        for each in huge:
            with pytest.raises(errors.TooLarge, match="50000000"):
                each.get(timeout=30)
        with pytest.raises(errors.NotAnImage):
            small.result(10)
        assert worker.process.poll() is None


def test_a_sender_of_another_language_writes_json(app, redis):
    """As a program without kombu would: base64 wrapped as kombu's JSON wraps bytes."""
    image = {"__type__": "base64", "__value__": base64.b64encode(SECRET).decode()}
    embed = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    body = json.dumps([[image], {}, embed]).encode()
    text = message(body, kind="application/json", headers={"id": "by-hand", "lang": "js"})
    redis.lpush(wire.LANE, text.replace('"binary"', '"utf-8"'))
    assert AsyncResult("by-hand", app=app).get(timeout=5)["model"] == "null"
