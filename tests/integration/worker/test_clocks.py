"""Clocks that differ: a sender's or a worker's may be wrong, what counts is the server's."""

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from time import monotonic, time

import pytest
from celery.exceptions import TaskRevokedError

from producer import Client
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tests.conftest import missing
from tests.support import clock
from tests.support.fleet import NULL, another_app, solve
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


def test_every_way_of_asking_for_the_time_is_wrong(tmp_path):
    if shutil.which("cc") is None:
        missing("no C compiler for a clock that is wrong for all")
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


def test_a_reply_that_explains_itself_corrects_nothing():
    seen = ServerClock()
    for server, ahead_s in ((99.0, -1.0), (100.0, 0.0), (101.5, 0.0), (102.0, 0.0), (110.0, 8.0)):
        seen.saw(server, asked=100.0, answered=102.0)
        assert seen.ahead_s == ahead_s
    assert not seen.was_set
