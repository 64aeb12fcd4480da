"""What we write by hand beside what stock Celery and kombu write: field by field."""

import base64
import json
from contextlib import contextmanager
from threading import Event
from time import time
from types import SimpleNamespace

import msgpack
import pytest
from celery import uuid
from celery.app.task import Context

from producer.client import message
from tests.support.running.fleet import another_app, wait_until
from tilefleet import wire
from tilefleet.errors import NotAnImage
from worker import fast_json
from worker.engine_room.job import Delivery, Outcome
from worker.results.writer import Writer

IMAGE = b"\xff\xd8 any bytes"
#: Differ from one message to the next.
VARYING = {"id", "root_id", "correlation_id", "delivery_tag", "expires", "date_done", "task_id"}
#: A receiver takes these for what Celery writes there.
LEFT_OUT = {
    *("shadow", "group_index", "origin", "replaced_task_nesting", "stamped_headers", "stamps"),
    *("reply_to", "expiration"),
}


@pytest.fixture(params=[True, False], ids=["extended", "plain"])
def app(server, request):
    with another_app(server.url, role="worker") as app:
        app.conf.result_extended = request.param
        yield app


@contextmanager
def listening(redis, channel):
    """Subscribed to a channel; gives what waits for its next message."""
    with redis.pubsub() as pubsub:
        pubsub.subscribe(channel)
        assert wait_until(lambda: pubsub.get_message(timeout=1))["type"] == "subscribe"
        yield lambda: wait_until(lambda: pubsub.get_message(timeout=1))["data"]


def varied(fields: dict) -> dict:
    """With the types of what differs each time in the place of it."""
    return {
        name: type(value) if name in VARYING else value
        for name, value in fields.items()
        if name not in LEFT_OUT
    }


@pytest.mark.parametrize("many", [False, True])
def test_a_captcha_s_message_is_that_of_celery(redis, server, many):
    lane, argument = "captcha@of-its-own", [IMAGE, IMAGE] if many else IMAGE
    make = message.solve_many if many else message.solve
    name = wire.TASK_SOLVE_MANY if many else wire.TASK_SOLVE
    ours = json.loads(make(argument, lane=lane, now=time(), expires=60).item)
    with another_app(server.url) as app:
        app.send_task(name, (argument,), queue=lane, expires=60)
    theirs = json.loads(redis.rpop(lane))
    assert redis.llen(lane) == 0
    assert ours.keys() == theirs.keys()
    bodies = [msgpack.unpackb(base64.b64decode(each.pop("body"))) for each in (ours, theirs)]
    assert bodies[0] == bodies[1]
    headers = [varied(each.pop("headers")) for each in (ours, theirs)]
    assert isinstance(headers[0].pop(wire.SENT_AT), float)
    # Never the image: neither its bytes nor, of ours, their text.
    for each in headers:
        each.pop("argsrepr")
    # Where it is not said, Celery asks the task, which says no.
    assert (headers[0].pop("ignore_result"), headers[1].pop("ignore_result")) == (False, None)
    assert headers[0] == headers[1]
    properties = [varied(each.pop("properties")) for each in (ours, theirs)]
    assert properties[0] == properties[1]
    assert ours == theirs


@pytest.mark.parametrize("ids", [["some-id"], ["some-id", "another-id"]])
def test_a_revocation_is_that_of_celery(redis, server, ids):
    with another_app(server.url) as app, listening(redis, "/0.celery.pidbox") as heard:
        app.control.revoke(ids if len(ids) > 1 else ids[0])
        theirs = json.loads(heard())
    ours = json.loads(message.revoke(*ids))
    commands = []
    for each in (ours, theirs):
        body = base64.b64decode(each["body"])
        packed = each["content-type"] == "application/x-msgpack"
        commands.append(msgpack.unpackb(body) if packed else json.loads(body))
    assert commands[0] == commands[1]
    assert ours["properties"]["delivery_info"] == theirs["properties"]["delivery_info"]


# Celery's backend calls it still.
@pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")
@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(result={"picks": [1, 5], "words": [{"label": "电线", "confidence": 0.98}]}),
        Outcome(error=NotAnImage("6 bytes: <html>")),
    ],
    ids=["answer", "error"],
)
def test_a_result_is_what_celery_s_backend_stores_and_publishes(redis, app, outcome):
    fast_json.install()
    backend = app.backend
    results = {}
    for writer in ("ours", "theirs"):
        context = Context(
            id=uuid(),
            task=wire.TASK_SOLVE,
            args=(IMAGE,),
            kwargs={},
            delivery_info={"routing_key": wire.LANE},
        )
        key = backend.get_key_for_task(context.id).decode()
        with listening(redis, key) as heard:
            (by_us if writer == "ours" else by_celery)(backend, context, outcome)
            published = heard()
        assert redis.get(key) == published
        results[writer] = json.loads(published), redis.ttl(key)
    (ours, ours_s), (theirs, theirs_s) = results["ours"], results["theirs"]
    assert abs(ours_s - theirs_s) <= 1
    # Celery keeps the stack; ours has no frames that would say more than the error.
    trace = [each.pop("traceback") for each in (ours, theirs)]
    assert trace[0] == (repr(outcome.error) if outcome.error else None)
    assert varied(ours) == varied(theirs)


def by_us(backend, context, outcome) -> None:
    written = Event()
    writer = Writer(backend, stored=lambda _: written.set())
    writer.start()
    request = SimpleNamespace(
        id=context.id, ignore_result=False, group=None, parent_id=None, _context=context
    )
    writer.put([Delivery(request, outcome=outcome)])
    assert written.wait(20)
    writer.close()


def by_celery(backend, context, outcome) -> None:
    if outcome.error is None:
        backend.store_result(context.id, outcome.result, "SUCCESS", request=context)
    else:
        backend.store_result(
            context.id, outcome.error, "FAILURE", traceback="a stack", request=context
        )
