"""Events of captchas: as Celery's own, and those of a share of the captchas where that is set."""

from types import SimpleNamespace
from zlib import crc32

import pytest
from celery import Celery, uuid
from celery.events.dispatcher import EventDispatcher
from celery.utils.time import utcoffset
from kombu import Connection

from worker.hub.events import PAUSE_S, EventFlush, SampledDispatcher

FIELDS = {"name": "worker.solve", "args": "(<12 bytes>)", "eta": None, "retries": 0}


@pytest.fixture
def make():
    """Dispatchers, of either class, that let the events of tasks wait for each other."""
    app = Celery("events", broker="memory://", set_as_current=False)
    app.settings = SimpleNamespace(events=1.0, fleet="here")
    with Connection("memory://") as connection:

        def make(kind, *, share=1.0, **options):
            app.settings.events = share
            return kind(connection, hostname="w@here", app=app, buffer_group=["task"], **options)

        yield make


def waiting(dispatcher) -> list[dict]:
    ours = [dispatcher._event(each, utcoffset()) for each in getattr(dispatcher, "_waiting", ())]
    return [*dispatcher._group_buffer["task"], *ours]


def test_an_event_has_what_celery_s_own_has(make):
    ours, celery_s = make(SampledDispatcher), make(EventDispatcher)
    for dispatcher in (ours, celery_s):
        dispatcher.send("task-received", uuid="1", **FIELDS)
    (one,), (other,) = waiting(ours), waiting(celery_s)
    assert one.pop("fleet") == "here"
    assert one.keys() == other.keys()
    varying = ("timestamp", "clock")
    assert {k: one[k] for k in one if k not in varying} == {
        k: other[k] for k in other if k not in varying
    }
    assert other["clock"] - one["clock"] == 1
    assert 0 <= other["timestamp"] - one["timestamp"] < 10


def test_a_captcha_is_seen_with_all_of_its_events_or_with_none(make):
    dispatcher = make(SampledDispatcher, share=0.25, buffer_limit=10_000)
    ids = [uuid() for _ in range(1000)]
    for event in ("task-received", "task-started", "task-succeeded"):
        for each in ids:
            dispatcher.send(event, uuid=each)
    seen = [event["uuid"] for event in waiting(dispatcher)]
    # The same in every worker, whatever its version: monitors add up what several send.
    assert set(seen) == {each for each in ids if crc32(each.encode()) < 2**32 / 4}
    assert all(seen.count(each) == 3 for each in set(seen))


def test_enough_events_are_published_and_fewer_wait(make):
    dispatcher = make(SampledDispatcher, buffer_limit=3)
    published = []
    dispatcher._publish = lambda events, producer, routing_key: published.append(len(events))
    for _ in range(7):
        dispatcher.send("task-started", uuid="1")
    assert published == [3, 3]
    assert len(waiting(dispatcher)) == 1


def test_nothing_waits_while_nobody_wants_events(make):
    dispatcher = make(SampledDispatcher)
    dispatcher.disable()
    dispatcher.send("task-started", uuid="1")
    assert not waiting(dispatcher)


def test_while_nobody_hears_only_the_first_is_made_and_published(make):
    dispatcher = make(SampledDispatcher, buffer_limit=10_000)
    published, made, receivers = [], [], [0]

    def publish(events, producer, routing_key):
        published.append([event["number"] for event in events])
        dispatcher.producer.channel.receivers = [receivers[0]]

    def tell(number):
        def fields():
            made.append(number)
            return {"number": number}

        dispatcher.tell("task-started", str(number), fields)

    dispatcher._publish = publish
    # Whether anybody hears is not known yet.
    for number in range(3):
        tell(number)
    dispatcher.flush()
    assert published.pop() == [0, 1, 2]
    for number in range(3, 6):
        tell(number)
    dispatcher.flush()
    assert published == [[3]]
    assert made == [0, 1, 2, 3]
    # Somebody listens: of what waits by then, nothing is left out.
    receivers[0] = 1
    for number in range(6, 9):
        tell(number)
    dispatcher.flush()
    assert published == [[3], [6], [7, 8]]
    tell(9)
    tell(10)
    dispatcher.flush()
    assert published[3:] == [[9, 10]]


def test_where_the_transport_does_not_say_who_hears_all_is_published(make):
    dispatcher = make(SampledDispatcher)
    published = []
    dispatcher._publish = lambda events, producer, routing_key: published.append(len(events))
    for _ in range(3):
        dispatcher.send("task-started", uuid="1")
        dispatcher.send("task-succeeded", uuid="1")
        dispatcher.flush()
    assert published == [2, 2, 2]


def test_events_told_together_are_those_told_one_by_one(make, monkeypatch):
    together, apart, published = make(SampledDispatcher), make(SampledDispatcher), {}
    for dispatcher in (together, apart):
        events = published[dispatcher] = []
        dispatcher._publish = lambda some, producer, routing_key, to=events: to.extend(some)
    monkeypatch.setattr("worker.hub.events.time", lambda: 1000.0)
    for dispatcher in (together, apart):
        dispatcher.clock.value = 7
        told = [(str(number), number) for number in range(5)]
        if dispatcher is together:
            dispatcher.tell_all("task-received", told, lambda about, now: {"n": about, "at": now})
        else:
            for task_id, about in told:
                dispatcher.tell("task-received", task_id, {"n": about, "at": 1000.0})
        dispatcher.tell("task-failed", "5", {"exception": "no"})
        assert dispatcher.clock.value == 13
        dispatcher.flush()
    assert published[together] == published[apart]
    assert [event["clock"] for event in published[together]] == [8, 9, 10, 11, 12, 13]


def test_what_nobody_hears_is_published_in_parts_once_somebody_does(make):
    dispatcher = make(SampledDispatcher, buffer_limit=4, on_send_buffered=lambda: None)
    published, receivers = [], [0]

    def publish(events, producer, routing_key):
        published.append([event["uuid"] for event in events])
        dispatcher.producer.channel.receivers = [receivers[0]]

    dispatcher._publish = publish
    dispatcher.send("task-started", uuid="first")
    dispatcher.flush()
    told = [(str(number), {}) for number in range(10)]
    dispatcher.tell_all("task-started", told, lambda fields, _: fields)
    assert published == [["first"]]
    receivers[0] = 1
    dispatcher.flush()
    assert published == [["first"], ["0"], ["1", "2", "3", "4"], ["5", "6", "7", "8"], ["9"]]


def test_while_nobody_hears_it_is_not_asked_again_at_once(make, monkeypatch):
    clock, receivers, published = SimpleNamespace(now=1000.0), [0], []
    monkeypatch.setattr("worker.hub.events.monotonic", lambda: clock.now)
    hub = SimpleNamespace(due=[])
    hub.call_later = lambda pause, call: hub.due.append(call)
    dispatcher = make(SampledDispatcher)
    events = EventFlush(dispatcher, hub)

    def publish(some, producer, routing_key):
        published.append([event["uuid"] for event in some])
        dispatcher.producer.channel.receivers = [receivers[0]]

    def wait(seconds: float) -> None:
        clock.now += seconds
        (call,), hub.due = hub.due, []
        call()

    dispatcher._publish = publish
    dispatcher.send("task-started", uuid="0")
    wait(0.05)
    assert published.pop() == ["0"]
    dispatcher.send("task-started", uuid="1")
    dispatcher.send("task-started", uuid="2")
    for _ in range(9):
        wait(0.05)
        assert not published
    receivers[0] = 1
    wait(0.06)
    # Somebody listens by now: nothing of what has waited is left out, and nothing waits any more.
    assert published == [["1"], ["2"]]
    dispatcher.send("task-started", uuid="3")
    wait(0.05)
    assert published.pop() == ["3"]
    receivers[0] = 0
    dispatcher.send("task-started", uuid="4")
    wait(0.05)
    dispatcher.send("task-started", uuid="5")
    events.flush()
    assert published[2:] == [["4"], ["5"]]


def test_what_nobody_hears_waits_in_bounded_numbers(make, monkeypatch):
    dispatcher = make(SampledDispatcher, on_send_buffered=lambda: None, buffer_limit=10)

    def publish(some, producer, routing_key):
        dispatcher.producer.channel.receivers = [0]

    dispatcher._publish = publish
    dispatcher.send("task-started", uuid="0")
    dispatcher.flush()
    dispatcher.send("task-started", uuid="1")
    assert dispatcher.may_wait
    dispatcher.tell_all("task-started", [(str(number), {}) for number in range(2400)], dict)
    assert not dispatcher.may_wait


def test_what_was_sent_goes_out_a_moment_later_and_so_does_what_comes_after_it():
    flushed, due = [], []
    dispatcher = SimpleNamespace(may_wait=False, flush=lambda: flushed.append(1))
    hub = SimpleNamespace(call_later=lambda seconds, call: due.append((seconds, call)))
    EventFlush(dispatcher, hub)
    for round_ in (1, 2):
        dispatcher.on_send_buffered()
        dispatcher.on_send_buffered()
        # Once for all that wait.
        ((seconds, call),) = due
        assert seconds == PAUSE_S
        due.clear()
        call()
        assert len(flushed) == round_
