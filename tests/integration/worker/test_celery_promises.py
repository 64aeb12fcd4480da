"""What Celery documents holds for captchas too: a real worker, the null engine, one test each."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from time import monotonic

import pytest
from celery import Celery, chain, chord, group
from celery.canvas import StampingVisitor
from celery.exceptions import TaskRevokedError
from celery.result import AsyncResult
from redis import Redis

from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tests.support.running import accounts
from tests.support.running.fleet import NULL, another_app, ask, solve, wait_until
from tilefleet import errors, wire

OWN_SERVER = True

EXTRA = ("--include", "tests.support.included.extra_tasks")


@pytest.fixture(scope="module")
def worker(server):
    with WorkerProcess(server.url, *EXTRA, environ=NULL) as worker:
        yield worker


@pytest.fixture(scope="module")
def app(server, worker):
    with another_app(server.url) as app:
        yield app


def extra(app, name, *args, **options):
    return app.signature(f"extra.{name}", args, **options)


def test_a_result_is_an_async_result(app):
    result = solve(app).delay()
    assert result.get(timeout=10)["picks"] == [1]
    again = AsyncResult(result.id, app=app)
    assert again.ready()
    assert again.successful()
    assert not again.failed()
    assert again.traceback is None
    assert again.status == "SUCCESS"


def test_a_failure_is_one_with_its_class_and_a_traceback(app):
    result = app.send_task(wire.TASK_SOLVE, (), queue=wire.LANE)
    with pytest.raises(errors.BadMessage):
        result.get(timeout=10)
    assert result.failed()
    assert "BadMessage" in result.traceback


def test_what_has_expired_is_not_read(app):
    result = solve(app).apply_async(expires=datetime.now(UTC) - timedelta(seconds=1))
    with pytest.raises(TaskRevokedError, match="expired"):
        result.get(timeout=10)


def test_what_is_revoked_before_its_start_is_never_read(app):
    result = solve(app).apply_async(countdown=2)
    result.revoke()
    with pytest.raises(TaskRevokedError, match="revoked"):
        result.get(timeout=10)


def test_a_worker_that_starts_later_hears_what_was_revoked_before(server):
    with (
        EmbeddedServer() as own,
        another_app(own.url) as other,
        WorkerProcess(own.url, "-n", "first@here", environ=NULL) as first,
    ):
        result = solve(other).apply_async(countdown=3600)
        result.revoke()
        wait_until(lambda: ask(other, "revoked"))
        with WorkerProcess(own.url, "-n", "second@here", "-l", "info", environ=NULL) as second:
            first.stop()
            assert ask(other, "revoked") == [result.id]
            assert "mingle: sync with 1 nodes" in second.log


def test_a_countdown_and_an_eta_are_waited_for(app):
    for name in ("countdown", "eta"):
        when = 1 if name == "countdown" else datetime.now(UTC) + timedelta(seconds=1)
        started = monotonic()
        assert solve(app).apply_async(**{name: when}).get(timeout=10)["picks"]
        assert monotonic() - started > 0.8


def test_a_link_gets_the_answer(app):
    result = solve(app).apply_async(link=extra(app, "words"))
    assert result.get(timeout=10)
    (child,) = wait_until(lambda: AsyncResult(result.id, app=app).children)
    assert child.get(timeout=10) == ["打字机"]


def test_an_error_link_is_called(app, server):
    with Redis.from_url(server.url) as redis:
        result = app.send_task(wire.TASK_SOLVE, (), queue=wire.LANE, link_error=extra(app, "note"))
        with pytest.raises(errors.BadMessage):
            result.get(timeout=10)
        assert wait_until(lambda: redis.lrange("captcha@noted", 0, -1)) == [result.id.encode()]


def test_a_group_gives_all_its_answers(app):
    images = [b"image %d" % number for number in range(20)]
    result = group([solve(app, image) for image in images], app=app).apply_async()
    assert len(result.get(timeout=10)) == 20


def test_a_chain_goes_through_a_captcha(app):
    result = chain(extra(app, "image", 5), app.signature(wire.TASK_SOLVE), extra(app, "words"))
    assert result.apply_async().get(timeout=10) == ["打字机"]


def test_a_chord_counts_its_captchas(app):
    header = [solve(app, b"image %d" % number) for number in range(7)]
    assert chord(header, app=app)(extra(app, "count")).get(timeout=10) == 7


class Stamp(StampingVisitor):
    def on_signature(self, signature, **headers):
        return {"customer": "a", "stamped_headers": ["customer"]}


@pytest.mark.parametrize("protocol", [1, 2])
@pytest.mark.parametrize("serializer", ["msgpack", "json"])
def test_whatever_celery_lets_a_sender_add_passes_the_door(app, serializer, protocol, monkeypatch):
    monkeypatch.setitem(app.conf, "task_protocol", protocol)
    everything = {
        "serializer": serializer,
        "headers": {"headers": {"a": 1}, "traceparent": "00-1"},
        "shadow": "a captcha",
        "link": [extra(app, "words"), extra(app, "words")],
        "link_error": extra(app, "note"),
        "countdown": 0.1,
        "time_limit": 3,
        "soft_time_limit": 2.5,
        "priority": 3,
    }
    assert solve(app).apply_async(**everything).get(timeout=10)["picks"] == [1]
    for kind in ("gzip", "bzip2", "lzma"):
        pending = solve(app).apply_async(serializer=serializer, compression=kind)
        assert pending.get(timeout=10)["picks"] == [1]
    stamped = solve(app).set(serializer=serializer)
    stamped.stamp(visitor=Stamp())
    assert stamped.apply_async().get(timeout=10)["picks"] == [1]


def test_an_ignored_result_is_not_stored(app, server):
    result = solve(app).apply_async(ignore_result=True)
    with Redis.from_url(server.url) as redis:
        assert wait_until(lambda: not redis.llen(wire.LANE) and not redis.hlen("unacked"))
        assert not redis.exists(f"celery-task-meta-{result.id}")


def test_a_task_that_retries_is_retried(app):
    result = extra(app, "retrying").delay()
    with pytest.raises(errors.BadMessage):
        result.get(timeout=10)
    assert ask(app, "stats")["total"]["extra.retrying"] == 3
    assert extra(app, "retrying", b"any").delay().get(timeout=10)["picks"] == [1]


def test_a_rate_limit_holds(app):
    try:
        app.control.rate_limit(wire.TASK_SOLVE, "4/s", reply=True)
        started = monotonic()
        results = [solve(app, b"%d" % number).delay() for number in range(6)]
        assert all(result.get(timeout=10) for result in results)
        assert monotonic() - started > 0.8
    finally:
        app.control.rate_limit(wire.TASK_SOLVE, 0, reply=True)


@pytest.mark.parametrize("then", [0, "1000/s"])
def test_what_waits_by_a_limit_is_read_when_that_is_another_one(app, server, then):
    """More than the worker holds: while all that it holds waits for its turn, it claims no more."""
    try:
        for task in (wire.TASK_SOLVE, wire.TASK_SOLVE_MANY):
            app.control.rate_limit(task, "1/h", reply=True)
        results = [solve(app, b"%d" % number).apply_async(expires=20) for number in range(600)]
        list_ = app.send_task(wire.TASK_SOLVE_MANY, ([b"first"],))
        with Redis.from_url(server.url) as redis:
            wait_until(lambda: redis.hlen("unacked") > 1 and redis.llen(wire.LANE))
        app.control.rate_limit(wire.TASK_SOLVE, then, reply=True)
        assert all(result.get(timeout=20)["picks"] == [1] for result in results)
        assert list_.get(timeout=10)
    finally:
        for task in (wire.TASK_SOLVE, wire.TASK_SOLVE_MANY):
            app.control.rate_limit(task, 0, reply=True)


def test_inspection_shows_tasks_by_size_and_hash_and_never_their_bytes(app):
    result = solve(app, b"secret image").apply_async(countdown=3)
    (scheduled,) = wait_until(lambda: ask(app, "scheduled"))
    assert scheduled["request"]["id"] == result.id
    assert "12 bytes, sha256" in str(scheduled)
    assert "secret" not in str(scheduled)
    assert ask(app, "active") == ask(app, "reserved") == []
    names = {line.partition(" ")[0] for line in ask(app, "registered")}
    assert {wire.TASK_SOLVE, wire.TASK_SOLVE_MANY} <= names
    result.revoke()


def test_stats_show_the_engine_room(app):
    # Each captcha that waits for its time, of earlier tests too, adds one to the prefetch.
    wait_until(lambda: not ask(app, "scheduled"))
    solve(app).apply_async().get(timeout=10)
    stats = ask(app, "stats")
    room = stats["engine_room"]
    assert room["model"] == "null"
    assert room["captchas"] >= 1
    assert sum(int(size) * passes for size, passes in room["pass_sizes"].items()) >= 1
    assert stats["total"][wire.TASK_SOLVE] >= 1
    # Three passes for each lane, whatever the pool's size: what Celery applied, not what was asked.
    wanted = 3 * room["max_batch"] * room["lanes"]
    concurrency = stats["pool"]["max-concurrency"]
    assert stats["prefetch_count"] == wanted // concurrency * concurrency > 0


def test_a_worker_answers_a_ping(app):
    assert [next(iter(reply.values())) for reply in app.control.ping(timeout=3)] == [{"ok": "pong"}]


def test_events_tell_each_step_of_a_captcha_and_never_its_bytes(app):
    seen = []
    with app.people.connection() as connection:
        receiver = app.people.events.Receiver(connection, handlers={"*": seen.append})
        capture = receiver.itercapture(limit=None, timeout=10, wakeup=False)
        next(capture)
        result = solve(app, b"secret image").delay()
        while not any(event["type"] == "task-succeeded" for event in seen):
            next(capture)
    mine = [event for event in seen if event.get("uuid") == result.id]
    assert [event["type"] for event in mine] == ["task-received", "task-started", "task-succeeded"]
    assert mine[-1]["runtime"] >= 0
    assert "打字机: [1]" in mine[-1]["result"]
    assert "secret" not in str(mine)


def test_receivers_of_signals_are_called_around_each_captcha(server, worker, app):
    with EmbeddedServer() as own:
        include = ("--include", f"{EXTRA[1]},tests.support.included.extra_receivers")
        with WorkerProcess(own.url, *include, environ=NULL), another_app(own.url) as other:
            assert solve(other).delay().get(timeout=10)
            with pytest.raises(errors.BadMessage):
                other.send_task(wire.TASK_SOLVE, ()).get(timeout=10)
            seen = wait_until(
                lambda: (
                    (s := extra(other, "seen").delay().get(timeout=5)).get("task_postrun") == 2
                    and s
                )
            )
            assert seen == {
                "task_prerun": 2, "task_postrun": 2, "task_success": 1, "task_failure": 1,
            }  # fmt: skip


def test_what_is_read_is_active_and_what_waits_is_reserved(server):
    include = ("--include", "tests.support.included.strange_engine", "-c", "1")
    environ = {**NULL, "TILEFLEET_MAX_BATCH": "1"}
    with (
        EmbeddedServer() as own,
        WorkerProcess(own.url, *include, environ=environ),
        another_app(own.url) as app,
    ):
        results = [solve(app, b"slow %d" % number).delay() for number in range(3)]
        (active,) = wait_until(lambda: ask(app, "active"))
        assert active["id"] == results[0].id
        assert {each["id"] for each in ask(app, "reserved")} == {each.id for each in results[1:]}
        room = ask(app, "stats")["engine_room"]
        assert (room["running"], room["waiting"], room["claimed"]) == (1, 2, 3)
        assert all(result.get(timeout=10) for result in results)
        durations = ask(app, "stats")["engine_room"]["durations"]
        assert durations["pass"]["p50_ms"] >= 900
        assert durations["wait"]["max_ms"] >= 900
        assert {"decode", "wait", "pass", "store"} <= set(durations)
        for task, arguments in ((wire.TASK_SOLVE, ()), (wire.TASK_SOLVE_MANY, ([],))):
            with pytest.raises(errors.BadMessage):
                app.send_task(task, arguments).get(timeout=5)
        assert ask(app, "stats")["engine_room"]["errors"] == {"BadMessage": 2}


@pytest.mark.parametrize("pool", [("--pool", "prefork"), ("--pool=prefork",), ("-P", "prefork")])
def test_the_prefork_pool_reads_too(pool):
    with (
        EmbeddedServer() as own,
        WorkerProcess(own.url, *pool, "-c", "2", environ=NULL),
        another_app(own.url) as app,
    ):
        results = [solve(app, b"%d" % number).delay() for number in range(10)]
        assert all(result.get(timeout=20) for result in results)
        assert ask(app, "stats")["pool"]["implementation"] == "celery.concurrency.prefork:TaskPool"
        with pytest.raises(errors.BadMessage):
            app.send_task(wire.TASK_SOLVE, ()).get(timeout=10)


def test_a_worker_can_be_told_to_shut_down(server):
    with EmbeddedServer() as own, WorkerProcess(own.url, environ=NULL) as worker:
        url = accounts.of("flower", own.url)
        app = Celery("other", broker=url, set_as_current=False)
        app.control.shutdown()
        assert worker.process.wait(20) == 0
        app.close()


def test_eager_mode_reads_in_the_same_process(sample):
    script = (
        "import sys; from worker import app; app.conf.task_always_eager = True; "
        "from worker.task import solve; data = sys.stdin.buffer.read(); "
        "print(solve.delay(data).get()['picks'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], input=sample, capture_output=True, timeout=60, check=True
    )
    assert done.stdout.startswith(b"[")


def test_the_solo_pool_reads_too():
    with (
        EmbeddedServer() as own,
        WorkerProcess(own.url, "--pool", "solo", environ=NULL),
        another_app(own.url) as app,
    ):
        results = [solve(app, b"%d" % number).delay() for number in range(10)]
        assert all(result.get(timeout=10) for result in results)
