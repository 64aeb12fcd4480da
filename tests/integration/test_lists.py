"""Lists whose bodies are beside their messages: answered, and nothing of them stays."""

import json
from concurrent.futures import ThreadPoolExecutor
from time import time

import msgpack
import pytest

from producer import Client
from producer.client import message
from tests.support.running.fleet import another_app, null_fleet, wait_until
from tilefleet import report, wire
from tilefleet.report import Report

IMAGES = [b"%d" % number + bytes(30_000) for number in range(3)]


@pytest.fixture(scope="module")
def fleet():
    with null_fleet() as fleet:
        yield fleet


@pytest.fixture
def nobody_reads_bulk(fleet):
    """Until it is called."""
    with another_app(fleet.server.url) as app:
        told = {"queue": wire.BULK_LANE, "reply": True}
        assert app.control.cancel_consumer(**told)

        def go_on() -> None:
            assert app.control.add_consumer(**told)

        yield go_on


def nothing_is_left(redis) -> bool:
    return not (redis.keys("tilefleet-body-*") or redis.exists("unacked", *wire.LANES))


@pytest.mark.parametrize("beside", [True, False], ids=["all fetch", "one is older"])
def test_a_list_is_beside_its_message_if_all_workers_fetch(fleet, nobody_reads_bulk, beside):
    redis = fleet.redis
    older = f"{int(time())} {Report(1.0, {wire.LANE: 1000}).encode()}"
    if not beside:
        redis.hset(report.KEY, "older", older.replace(',"fetches":false', ""))
    # What a client has looked at before does not count.
    with Client(fleet.server.url) as client, ThreadPoolExecutor(1) as pool:
        answers = pool.submit(lambda: list(client.map(IMAGES, bulk=True, timeout=20)))
        wait_until(lambda: redis.llen(wire.BULK_LANE))
        redis.hdel(report.KEY, "older")
        item = redis.lindex(wire.BULK_LANE, 0)
        bodies = redis.keys("tilefleet-body-*")
        assert (len(bodies), len(item) < wire.MOST_BESIDE_BYTES) == (int(beside), beside)
        if beside:
            assert msgpack.unpackb(redis.get(bodies[0]))[0] == [IMAGES]
            # Whatever becomes of its message.
            assert 20 < redis.ttl(bodies[0]) <= 90
        nobody_reads_bulk()
        assert [answer.model for _, answer in answers.result()] == ["null"] * 3
    wait_until(lambda: nothing_is_left(redis))


def test_a_list_whose_images_are_gone_is_sent_again_with_them(fleet, nobody_reads_bulk):
    redis = fleet.redis
    with Client(fleet.server.url) as client, ThreadPoolExecutor(1) as pool:
        answers = pool.submit(lambda: list(client.map(IMAGES, bulk=True, timeout=20)))
        wait_until(lambda: redis.llen(wire.BULK_LANE))
        assert redis.delete(*redis.keys("tilefleet-body-*"))
        nobody_reads_bulk()
        assert [answer.model for _, answer in answers.result()] == ["null"] * 3
    wait_until(lambda: nothing_is_left(redis))


def a_list(task_id="", *, expires=60.0) -> message.Message:
    return message.solve_many(
        IMAGES, lane=wire.LANE, now=time(), expires=expires, task_id=task_id, beside=True
    )


def sent(redis, *, expires=60.0, body=True, **changed) -> str:
    """Send one by hand; its id. `changed`: headers, or that it was delivered before."""
    made = a_list(expires=expires)
    item = json.loads(made.item)
    if changed.pop("redelivered", False):
        item["properties"]["delivery_info"]["redelivered"] = True
    item["headers"] |= changed
    if body:
        redis.set(wire.body_key(made.id), made.body, ex=60)
    redis.lpush(wire.LANE, json.dumps(item))
    return made.id


def outcome(fleet, task_id) -> dict:
    key = f"celery-task-meta-{task_id}"
    wait_until(lambda: fleet.redis.exists(key))
    wait_until(lambda: nothing_is_left(fleet.redis))
    return json.loads(fleet.redis.get(key))


@pytest.mark.parametrize(
    "changed", [{}, {"shadow": "another"}, {"redelivered": True}], ids=["short", "Celery's", "back"]
)
def test_whichever_way_it_goes_its_images_are_read(fleet, changed):
    told = outcome(fleet, sent(fleet.redis, **changed))
    assert [each["model"] for each in told["result"]] == ["null"] * 3


def test_what_has_expired_takes_its_body_with_it(fleet):
    assert outcome(fleet, sent(fleet.redis, expires=-5.0))["status"] == "REVOKED"


def test_without_its_body_a_task_fails_and_says_so(fleet):
    told = outcome(fleet, sent(fleet.redis, body=False))
    assert told["result"]["exc_type"] == "BadMessage"
    assert told["result"]["exc_message"] == ["its images are not on the server any more"]


def test_nor_does_what_was_answered_and_comes_back_without_it_fail(fleet):
    task_id = sent(fleet.redis)
    answered = outcome(fleet, task_id)
    # Its worker stood still for longer than a lease, and went on.
    item = json.loads(a_list(task_id).item)
    item["properties"]["delivery_info"]["redelivered"] = True
    fleet.redis.lpush(wire.LANE, json.dumps(item))
    assert outcome(fleet, task_id) == answered
