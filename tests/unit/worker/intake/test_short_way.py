"""Who goes the short way: decided once for a claim, and for each message in it, in their order."""

import hashlib
from time import time
from types import MappingProxyType, SimpleNamespace

import pytest
from celery import signals
from celery.worker import state

from producer.client import message
from tilefleet import wire
from worker.intake.short_way import PlainTaker
from worker.transport.claim import Claimed
from worker.transport.message import unwrap
from worker.transport.short_way import ShortWay


class Task:
    name = wire.TASK_SOLVE
    acks_late = True
    ignore_result = False
    send_events = True


class Eventer:
    enabled = True

    def __init__(self):
        self.told = []

    def tell_all(self, kind, told, fields):
        self.told += [(kind, task_id) for task_id, _ in told]


class Admission:
    only_answers = True

    def __init__(self):
        self.admitted = []

    def admit_all(self, requests):
        self.admitted.append([request.id for request in requests])


class QoS:
    def __init__(self):
        self.held = {}

    def hold(self, tag, size):
        self.held[tag] = size


class Channel:
    """Where messages go that nobody takes."""

    def __init__(self, taker):
        self.qos = QoS()
        self.connection = SimpleNamespace(_callbacks={"captcha": None})
        self.order = []
        self.bodies = {}
        self._taker = taker

    def deliver_one(self, claimed, body):
        self.bodies[claimed.tag] = body
        self.order.append((claimed.tag, len(self._taker._admission.admitted)))


@pytest.fixture
def consumer():
    tasks = {wire.TASK_SOLVE: Task(), wire.TASK_SOLVE_MANY: Task()}
    tasks[wire.TASK_SOLVE_MANY].name = wire.TASK_SOLVE_MANY
    return SimpleNamespace(
        app=SimpleNamespace(server_clock=SimpleNamespace(ahead_s=0.0), tasks=tasks),
        task_consumer=SimpleNamespace(accept={"application/x-msgpack"}),
        event_dispatcher=Eventer(),
        hostname="w@here",
        connection_errors=(),
        on_task_message=set(),
        disable_rate_limits=False,
        task_buckets=dict.fromkeys(tasks),
    )


@pytest.fixture
def taker(consumer):
    yield PlainTaker(consumer, Admission())
    state.requests.clear()
    state.reserved_requests.clear()


def captcha(number, *, expires=60.0, lane="captcha"):
    made = message.solve(b"%d" % number, lane=lane, now=time(), expires=expires)
    return Claimed(lane, f"tag-{number}", made.item), made.id


def delivered(taker, claimed, bodies=MappingProxyType({})):
    channel = Channel(taker)
    ShortWay(taker).deliver(channel, claimed, bodies)
    return channel


def test_what_is_plain_is_held_reserved_told_of_and_admitted_together(taker, consumer):
    claimed, ids = zip(*(captcha(number) for number in range(3)), strict=True)
    channel = delivered(taker, claimed)
    assert taker._admission.admitted == [list(ids)]
    assert channel.qos.held == {each.tag: len(unwrap(each.text)[0]) for each in claimed}
    assert list(channel.qos.held) == [each.tag for each in claimed]
    assert not channel.order
    assert set(state.requests) == set(ids)
    assert {each.id for each in state.reserved_requests} == set(ids)
    assert consumer.event_dispatcher.told == [("task-received", each) for each in ids]


def test_others_go_kombu_s_way_after_those_that_came_before_them(taker):
    (one, first), (other, _), (two, second) = captcha(1), captcha(2), captcha(3)
    channel = delivered(taker, [one, other._replace(text=b"no message"), two])
    assert channel.order == [("tag-2", 1)]
    assert taker._admission.admitted == [[first], [second]]


def a_list(number):
    """A list whose body is beside its message, and that."""
    images = [bytes(40_000), b"%d" % number + bytes(40_000)]
    made = message.solve_many(images, lane="captcha", now=time(), expires=60.0, beside=True)
    assert made.body
    return Claimed("captcha", f"tag-{number}", made.item), made, images


def test_a_body_beside_its_message_is_taken_as_if_it_were_in_it(taker):
    claimed, made, images = a_list(1)
    channel = delivered(taker, [claimed], {"tag-1": made.body})
    assert channel.qos.held == {"tag-1": len(made.body)}
    request = state.requests[made.id]
    assert request.args[0] == images


def test_one_that_is_there_no_more_and_what_is_not_plain_go_kombu_s_way(taker, consumer):
    (gone, *_), (limited, made, _) = a_list(1), a_list(2)
    channel = delivered(taker, [gone], {"tag-1": None})
    assert (channel.order, channel.bodies) == ([("tag-1", 0)], {"tag-1": None})
    consumer.task_buckets[wire.TASK_SOLVE_MANY] = object()
    channel = delivered(taker, [limited], {"tag-2": made.body})
    assert (channel.order, channel.bodies) == ([("tag-2", 0)], {"tag-2": made.body})


def test_what_nobody_consumes_any_more_goes_kombu_s_way(taker):
    claimed, _ = captcha(1, lane="captcha.bulk")
    assert delivered(taker, [claimed]).order == [("tag-1", 0)]


def test_what_is_revoked_or_has_expired_goes_celery_s_way(taker, monkeypatch):
    (revoked, its_id), (expired, _) = captcha(1), captcha(2, expires=-1.0)
    monkeypatch.setattr("worker.intake.short_way.revoked", {its_id})
    assert delivered(taker, [revoked, expired]).order == [("tag-1", 0), ("tag-2", 0)]


def test_an_expiry_is_by_the_server_s_clock(taker, consumer):
    consumer.app.server_clock.ahead_s = 3600.0
    late, _ = captcha(1, expires=60.0)
    in_time, its_id = captcha(2, expires=3700.0)
    assert delivered(taker, [late, in_time]).order == [("tag-1", 0)]
    assert state.requests[its_id].expires.timestamp() == pytest.approx(time() + 100, abs=5)


def goes_short(taker) -> bool:
    claimed, _ = captcha(1)
    return not delivered(taker, [claimed]).order


def test_who_listens_to_messages_or_signals_hears_of_all(taker, consumer):
    assert goes_short(taker)
    consumer.on_task_message.add(print)
    assert not goes_short(taker)
    consumer.on_task_message.clear()

    def receive(**_):
        """Somebody wants to know."""

    signals.task_received.connect(receive)
    assert not goes_short(taker)
    signals.task_received.disconnect(receive)
    assert goes_short(taker)
    taker._admission.only_answers = False
    assert not goes_short(taker)


def test_a_limited_task_or_one_that_is_acknowledged_early_goes_celery_s_way(taker, consumer):
    consumer.task_buckets[wire.TASK_SOLVE] = object()
    assert not goes_short(taker)
    consumer.disable_rate_limits = True
    assert goes_short(taker)
    consumer.app.tasks[wire.TASK_SOLVE].acks_late = False
    assert not goes_short(taker)


def test_an_image_is_hashed_when_somebody_looks(taker):
    claimed, its_id = captcha(1)
    delivered(taker, [claimed])
    request = state.requests[its_id]
    assert request.digest is None
    assert request.info()["args"].startswith("(<1 bytes, sha256 ")
    assert request.digest is not None


@pytest.mark.parametrize("hashed", [False, True])
def test_an_answered_image_is_let_go_and_described_as_before(taker, hashed):
    # Monitors hear up to 50 ms later what was asked.
    requests = []
    for _ in range(2):
        claimed, its_id = captcha(1)
        delivered(taker, [claimed])
        requests.append(state.requests[its_id])
    before, after = requests
    if hashed:
        after.digest = hashlib.sha256(after.args[0]).digest()
    after.forget()
    assert after.argsrepr == before.argsrepr
    assert bool(after.args) is not hashed
