"""Clocks that differ: a sender's or a worker's may be wrong, what counts is the server's."""

import json
import os
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from time import monotonic, sleep, time

import pytest
from celery.exceptions import TaskRevokedError
from redis import Redis

from producer import Client
from producer.local.server import EmbeddedServer, find_binary
from producer.local.worker import WorkerProcess
from tests.conftest import missing
from tests.support.running import clock
from tests.support.running.fleet import NULL, another_app, solve, wait_until
from tilefleet import wire
from tilefleet.report import ServerClock

#: Asks for one captcha.
SENDER = """
import sys
from producer import Client
with Client(sys.argv[1]) as fleet:
    print(fleet.solve(b"any", timeout=5).model)
"""


@pytest.fixture(scope="module")
def own():
    with EmbeddedServer() as server:
        yield server


@pytest.fixture(scope="module", params=[-3600, 0, 60])
def worker(request, own, tmp_path_factory):
    """A worker whose clock is so many seconds ahead."""
    environ = {**NULL, **clock.wrong(tmp_path_factory.mktemp("worker"), request.param)}
    with WorkerProcess(own.url, "-c", "1", environ=environ) as worker:
        yield worker


@pytest.mark.parametrize("ahead_s", [-3600, -10, 60])
def test_a_sender_with_a_wrong_clock_gets_its_answer(own, worker, tmp_path, ahead_s):
    done = subprocess.run(
        [sys.executable, "-c", SENDER, own.url],
        env={**os.environ, **clock.wrong(tmp_path, ahead_s)},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.stdout == "null\n", done.stderr


def need_a_compiler():
    if not clock.Clock.can_be_made():
        missing("no C compiler for a clock that is wrong for all")


@contextmanager
def server_with_a_clock(folder, monkeypatch):
    """A server, and a clock of its own that can be set."""
    need_a_compiler()
    its = clock.Clock(folder)
    with EmbeddedServer() as server:
        server.stop()
        with monkeypatch.context() as patch:
            for name, value in its.environ.items():
                patch.setenv(name, value)
            assert server._start(find_binary())
        yield server, its


@pytest.mark.parametrize("ahead_s", [3600, -3600])
@pytest.mark.parametrize("there", [True, False], ids=["another worker is there", "one comes later"])
def test_what_a_killed_worker_had_is_read_though_the_servers_clock_is_set(
    tmp_path, monkeypatch, ahead_s, there
):
    short = {**NULL, "TILEFLEET_LEASE_S": "2", "TILEFLEET_MAX_BATCH": "1"}
    options = ("-c", "1", "--include", "tests.support.included.strange_engine")
    with server_with_a_clock(tmp_path, monkeypatch) as (server, its), ExitStack() as stack:
        redis = stack.enter_context(Redis.from_url(server.url))
        with (
            another_app(server.url) as app,
            WorkerProcess(server.url, *options, environ=short) as one,
        ):
            pending = [solve(app, b"slow %d" % number).delay() for number in range(3)]
            wait_until(lambda: redis.hlen("unacked") == 3)
            if there:
                stack.enter_context(WorkerProcess(server.url, *options, environ=short))
            one.process.kill()
            one.process.wait()
            its.set(ahead_s)
            if not there:
                stack.enter_context(WorkerProcess(server.url, *options, environ=short))
            assert all(each.get(timeout=25)["model"] == "null" for each in pending)
        wait_until(lambda: not redis.exists("unacked", "unacked_index"))


def solve_each(fleet, number):
    return fleet.solve(b"solve %d" % number, timeout=5)


def submit(fleet, number):
    return fleet.submit(b"submit %d" % number, expires=5).result(5)


def map_(fleet, number):
    return next(answer for _, answer in fleet.map([b"map %d" % number], timeout=5))


def bulk(fleet, number):
    return next(answer for _, answer in fleet.map([b"bulk %d" % number], timeout=5, bulk=True))


@pytest.mark.parametrize("results", ["", "/1"], ids=["one database", "results in another"])
def test_the_next_captcha_of_every_client_is_read_though_the_servers_clock_is_set(
    tmp_path, monkeypatch, results
):
    calls = (solve_each, submit, map_, bulk)
    with server_with_a_clock(tmp_path, monkeypatch) as (server, its), ExitStack() as stack:
        store = server.url.replace("/0", results) if results else server.url
        environ = {**NULL, "CELERY_RESULT_BACKEND": store}
        stack.enter_context(WorkerProcess(server.url, "-c", "1", environ=environ))
        old = {call: stack.enter_context(Client(server.url, store)) for call in calls}
        for number, ahead_s in enumerate((0, 3600, 7200, 60, -3600)):
            its.set(ahead_s)
            # At once, when the worker has not heard of it; and once it has.
            for again in range(2):
                with Client(server.url, store) as new:
                    assert new.solve(b"new %d" % (2 * number + again), timeout=5).model == "null"
                for call, fleet in old.items():
                    assert call(fleet, 2 * number + again).model == "null", (ahead_s, call)
                sleep(1.2)


def test_of_leases_in_the_future_only_those_of_our_claims_are_begun_anew(own):
    """What is parked is due then, and other applications' leases are theirs."""
    due = time() + 3600
    records = {"later:\nparked": wire.LANE, "theirs": "celery", "ours": wire.LANE}
    with Redis.from_url(own.url) as redis:
        for tag, queue in records.items():
            redis.hset("unacked", tag, json.dumps([{"body": ""}, "", queue]))
            redis.zadd("unacked_index", {tag: due})
        with WorkerProcess(own.url, "-c", "1", environ=NULL):
            wait_until(lambda: redis.zscore("unacked_index", "ours") < due - 3000)
            assert redis.zscore("unacked_index", "theirs") == pytest.approx(due)
            assert redis.zscore("unacked_index", "later:\nparked") == pytest.approx(due)
        redis.delete("unacked", "unacked_index")


def test_every_way_of_asking_for_the_time_is_wrong(tmp_path):
    need_a_compiler()
    program = "import time, datetime as d; print(time.time(), d.datetime.now().timestamp())"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **clock.wrong(tmp_path, -3600)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert all(-3660 < float(each) - time() < -3540 for each in done.stdout.split())


def test_what_has_expired_by_the_servers_clock_is_not_read(own, worker):
    with another_app(own.url) as app, Client(own.url) as fleet:
        assert fleet.solve(b"any", timeout=5).model == "null"
        late = datetime.now(UTC) - timedelta(seconds=7)
        expired = solve(app).apply_async(expires=late)
        with pytest.raises(TaskRevokedError, match=r"expired 7\.\d s ago.*sender's clock"):
            expired.get(timeout=10)


def test_a_countdown_ends_by_the_servers_clock(own, worker):
    with another_app(own.url) as app:
        started = monotonic()
        assert solve(app).apply_async(countdown=1.5, expires=20).get(timeout=15)
        assert 1.0 < monotonic() - started < 12


def test_a_reply_that_has_lain_counts_where_the_clock_was_set():
    seen = ServerClock()
    for server, ahead_s in ((100.2, 0.0), (103.0, 0.0), (110.0, 7.0), (109.5, 7.0), (40.0, -60.0)):
        seen.heard(server, asked=100.0, answered=103.0)
        assert seen.ahead_s == ahead_s
    assert seen.was_ahead(-61.0)
    assert not seen.was_ahead(-60.1)


def test_a_reply_that_explains_itself_corrects_nothing():
    seen = ServerClock()
    for server, ahead_s in ((99.0, -1.0), (100.0, 0.0), (101.5, 0.0), (102.0, 0.0), (110.0, 8.0)):
        seen.saw(server, asked=100.0, answered=102.0)
        assert seen.ahead_s == ahead_s
    assert not seen.was_set
