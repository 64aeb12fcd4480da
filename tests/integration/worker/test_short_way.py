"""What goes the short way cannot be told from what goes Celery's: the same is sent down both."""

import json
import re
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from uuid import NAMESPACE_OID, uuid5

import pytest
from redis import Redis

from producer.client import message
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tests.support.running.fleet import NULL, another_app, ask, wait_until
from tilefleet import wire

#: What differs from run to run.
_VARYING = {
    *("timestamp", "local_received", "clock", "pid", "runtime", "expires", "eta"),
    *("time_start", "worker_pid"),
}
_TIMES = re.compile(
    r"""["'](date_done|queued_ms|pass_ms|pass_size)["']: ?("[^"]*"|[\d.e-]+)"""
    r"|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.,\d]*(\+00:00)?|\d+\.\d+ s ago"
)


def named(name: str) -> str:
    """The id of the message that is called so."""
    return str(uuid5(NAMESPACE_OID, name))


def image(name: str) -> bytes:
    return name.encode() * 400


def steady(fields: dict) -> dict:
    """Fields as they are in every run; of others, whether they are there, and whether empty."""
    return {
        name: bool(value) if name in _VARYING else _steady(value) for name, value in fields.items()
    }


def _steady(value):
    return _TIMES.sub("…", value) if isinstance(value, str) else value


@dataclass
class Seen:
    """All that can be observed of one worker."""

    results: dict[str, str] = field(default_factory=dict)
    events: dict[str, list[dict]] = field(default_factory=lambda: defaultdict(list))
    looks: dict[str, object] = field(default_factory=dict)
    log: dict[str, list[str]] = field(default_factory=dict)
    stats: dict = field(default_factory=dict)


class Fleet:
    """A worker that goes one way, and all that is sent to it, each under a name."""

    def __init__(self, app, redis):
        self.app, self.redis = app, redis
        self.names: list[str] = []

    def send(self, name, *images, args=None, task=wire.TASK_SOLVE, queue=wire.LANE, **options):
        """Its own image, unless others are given, or `args`."""
        self.names.append(name)
        args = images or (image(name),) if args is None else args
        self.app.send_task(task, args, task_id=named(name), queue=queue, **options)

    def put(self, name, lane=wire.LANE, **options):
        """As our own client sends."""
        self.names.append(name)
        made = message.solve(image(name), lane=lane, now=1.0, expires=4e9, **options)
        item = made.item.replace(made.id.encode(), named(name).encode())
        self.redis.lpush(lane, item)

    def wait(self, *names):
        keys = [f"celery-task-meta-{named(name)}" for name in names]
        wait_until(lambda: self.redis.exists(*keys) == len(keys))


def tell(fleet: Fleet, seen: Seen, gate) -> None:
    """The story; the first captcha keeps the only lane busy until the gate is opened."""
    soon = datetime.now(UTC) + timedelta(seconds=5)
    fleet.app.control.revoke(named("revoked-before"))
    wait_until(lambda: ask(fleet.app, "revoked"))
    fleet.send("gate")
    wait_until(lambda: ask(fleet.app, "active"))
    fleet.send("celery-msgpack")
    fleet.send("celery-json", serializer="json")
    fleet.put("client")
    fleet.put("bulk", lane=wire.BULK_LANE)
    fleet.send("twin", image("same"))
    fleet.send("other-twin", image("same"))
    fleet.send("many", [image("a"), image("b")], task=wire.TASK_SOLVE_MANY)
    fleet.send("urgent", priority=9)
    fleet.send("unwanted", ignore_result=True)
    fleet.send("child", parent_id=named("gate"), root_id=named("gate"))
    fleet.send("revoked-while-waiting")
    fleet.send("terminated-while-waiting")
    fleet.send("revoked-before")
    fleet.send("expired", expires=datetime.now(UTC) - timedelta(seconds=60))
    fleet.send("expires-while-waiting", expires=soon)
    fleet.send("expires-later", expires=4e6)
    fleet.send("of-a-group", group_id=named("group"))
    fleet.send("shadowed", shadow="another name")
    fleet.send("with-header", headers={"colour": "red"})
    fleet.send("tried-before", retries=3)
    fleet.send("limited", time_limit=60)
    fleet.send("without-image", args=())
    fleet.send("two-images", image("a"), image("b"))
    fleet.send("no-list", 5, task=wire.TASK_SOLVE_MANY)
    fleet.send("by-name", args=(), kwargs={"image": image("k")})
    fleet.send(
        "linked", link=fleet.app.signature(wire.TASK_SOLVE, (image("link"),), task_id=named("link"))
    )
    not_waiting = {"gate", "revoked-before", "expired", "without-image", "two-images", "no-list"}
    waiting = len(fleet.names) - len(not_waiting)
    wait_until(lambda: len(ask(fleet.app, "reserved")) == waiting)
    for look in ("active", "reserved"):
        seen.looks[look] = sorted(map(steady, ask(fleet.app, look)), key=lambda each: each["id"])
    found = command(fleet.app, "query_task", ids=[named(name) for name in fleet.names])
    seen.looks["query_task"] = {
        name: (where, steady(told)) for name, (where, told) in found.items()
    }
    for name, terminate in {
        "revoked-while-waiting": False,
        "terminated-while-waiting": True,
        "gate": True,
    }.items():
        told = command(fleet.app, "revoke", task_id=named(name), terminate=terminate)
        seen.looks[f"revoke {name}"] = told
    wait_until(lambda: datetime.now(UTC) > soon)
    gate.touch()
    fleet.wait(*(name for name in fleet.names if name != "unwanted"))
    fleet.send("later", countdown=1)
    fleet.wait("later")
    # What cannot be read at all breaks its pass: alone, so that no other's is halved.
    fleet.send("no-bytes", 5)
    fleet.wait("no-bytes")
    wait_until(lambda: not ask(fleet.app, "stats")["engine_room"]["claimed"])


def command(app, name, **arguments):
    """The worker's reply to a command of remote control."""
    (reply,) = app.control.broadcast(name, arguments=arguments, reply=True, limit=1, timeout=5)
    (told,) = reply.values()
    return told


def run(short_way: str, folder) -> Seen:
    seen, gate = Seen(), folder / f"gate-{short_way}"
    options = (
        "-n",
        "one@here",
        "-c",
        "1",
        "-l",
        "INFO",
        "--include",
        "tests.support.included.strange_engine",
    )
    environ = {**NULL, "TILEFLEET_SHORT_WAY": short_way, "STRANGE_GATE": str(gate)}
    with EmbeddedServer() as server, another_app(server.url) as app:
        worker = WorkerProcess(server.url, *options, environ=environ)
        with worker, Redis.from_url(server.url) as redis, listening(app, seen):
            fleet = Fleet(app, redis)
            tell(fleet, seen, gate)
            seen.stats = ask(app, "stats")
            wait_until(lambda: not (redis.hlen("unacked") or redis.zcard("unacked_index")))
            for name in fleet.names:
                value = redis.get(f"celery-task-meta-{named(name)}")
                seen.results[name] = _TIMES.sub("…", value.decode()) if value else ""
            wait_until(
                lambda: (
                    seen.events[named("no-bytes")]
                    and seen.events[named("no-bytes")][-1]["type"] == "task-failed"
                )
            )
        lines = worker.log.splitlines()
        for name in fleet.names:
            about = [_TIMES.sub("…", line) for line in lines if named(name) in line]
            seen.log[name] = [re.sub(r"in [\d.]+s", "in …", line) for line in about]
    return seen


@contextmanager
def listening(app, seen):
    """Collects the events of tasks."""
    ready = Event()

    def note(event):
        if "uuid" in event:
            seen.events[event["uuid"]].append(steady(event))

    with app.people.connection_for_read() as connection:
        receiver = app.people.events.Receiver(connection, handlers={"*": note})
        receiver.on_consume_ready = lambda *_, **options: ready.set()
        listener = Thread(target=receiver.capture, kwargs={"limit": None, "wakeup": False})
        listener.start()
        try:
            assert ready.wait(20)
            yield
        finally:
            receiver.should_stop = True
            listener.join()


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gates")
    return run("1", folder), run("0", folder)


def same(one, other):
    """Both as JSON, so that a difference is a line of the report."""
    shown = [json.dumps(each, indent=1, sort_keys=True, default=str) for each in (one, other)]
    assert shown[0] == shown[1]


def test_each_goes_its_way(both):
    short, celery_s = (each.stats["engine_room"]["transport"] for each in both)
    assert short["short_way"] > 10
    assert celery_s["short_way"] == 0
    assert short["claimed"] == celery_s["claimed"]


def test_results_are_the_same_to_the_byte(both):
    short, celery_s = both
    same(short.results, celery_s.results)
    for status in ("SUCCESS", "FAILURE", "REVOKED"):
        assert any(
            f'"status":"{status}"' in each.replace(" ", "") for each in short.results.values()
        )


def test_events_are_the_same_in_the_same_order(both):
    short, celery_s = both
    same(short.events, celery_s.events)
    seen = {event["type"] for events in short.events.values() for event in events}
    assert {
        f"task-{what}" for what in ("received", "started", "succeeded", "failed", "revoked")
    } <= seen


def test_inspect_says_the_same_of_what_waits_and_what_is_read(both):
    short, celery_s = both
    same(short.looks, celery_s.looks)
    assert [each["id"] for each in short.looks["active"]] == [named("gate")]
    assert len(short.looks["reserved"]) > 10
    assert short.looks["query_task"][named("client")][0] == "reserved"


def test_the_worker_counts_the_same(both):
    short, celery_s = (
        {
            "total": each.stats["total"],
            **{name: each.stats["engine_room"][name] for name in ("errors", "claimed", "suspects")},
            **{name: each.stats["engine_room"][name] for name in ("captchas", "joined", "waiting")},
        }
        for each in both
    )
    same(short, celery_s)


def test_the_log_says_the_same_of_each(both):
    short, celery_s = both
    same(short.log, celery_s.log)
    assert any("received" in line for line in short.log["client"])
