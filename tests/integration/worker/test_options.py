"""The options of ``celery worker`` that are not refused work: a real worker, the null engine."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress

import pytest
from redis import Redis

from producer import Client
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tests.support.running.fleet import NULL, another_app, ask, solve, wait_until
from tilefleet import errors, wire

STRANGE = ("--include", "tests.support.included.strange_engine")


@pytest.fixture(scope="module")
def own():
    with (
        EmbeddedServer() as server,
        Client(server.url) as fleet,
        Redis.from_url(server.url) as redis,
    ):
        server.fleet, server.redis = fleet, redis
        yield server


def answers(own, count=4):
    return [own.fleet.solve(b"%d" % number, timeout=20).model for number in range(count)]


def test_those_of_a_pool_of_threads(own, tmp_path):
    options = (
        *("-n", "one@here", "-c", "auto", "-P", "threads", "-O", "fair", "-E", "-l", "INFO"),
        *("-S", str(tmp_path / "state"), "-B", "-s", str(tmp_path / "schedule")),
        *("--scheduler", "celery.beat:PersistentScheduler", "-X", wire.BULK_LANE),
        *("--without-gossip", "--without-mingle", "--heartbeat-interval", "1", *STRANGE),
    )
    with WorkerProcess(own.url, *options, environ=NULL) as worker:
        assert answers(own) == ["null"] * 4
        assert worker.stop() == 0
        assert "Traceback" not in worker.log
    assert list(tmp_path.glob("schedule*"))
    assert list(tmp_path.glob("state*"))


def test_purge_takes_what_waits_and_the_worker_reads_what_comes_after_it(own):
    before = own.fleet.submit(b"before")
    with WorkerProcess(own.url, "--purge", "--without-heartbeat", environ=NULL):
        assert answers(own, 1) == ["null"]
        assert not before.ready()


def test_one_lane_is_read_and_the_other_left(own):
    with WorkerProcess(own.url, "-Q", wire.BULK_LANE, environ=NULL):
        waiting, bulk = own.fleet.submit(b"first"), own.fleet.submit(b"bulk", bulk=True)
        assert bulk.result(20).model == "null"
        assert not waiting.ready()
    with WorkerProcess(own.url, "-Q", wire.LANE, environ=NULL):
        assert waiting.result(20).model == "null"


@pytest.mark.parametrize(
    ("options", "lanes"),
    [
        (("-Q", "captcha"), "captcha captcha@builtin captcha@mine"),
        (("-Q", "captcha@mine,captcha.bulk@mine"), "captcha.bulk@mine captcha@mine"),
        (("-X", "captcha.bulk,captcha@mine"), "captcha captcha@builtin"),
    ],
)
def test_the_lanes_of_models_go_with_those_of_all_workers(own, options, lanes):
    held = {**NULL, "TILEFLEET_MODEL": "builtin,mine"}
    with WorkerProcess(own.url, *options, environ=held), another_app(own.url) as app:
        read = {each["name"] for each in ask(app, "active_queues")}
        assert read == set(lanes.split())


def test_those_of_a_pool_of_processes(own):
    options = (
        *("-P", "prefork", "--autoscale=2,1", "--max-tasks-per-child", "2", "-O", "default"),
        *("--max-memory-per-child", "4000000", "--time-limit", "20", "--soft-time-limit", "10"),
        *("--prefetch-multiplier", "1", "--pool-start-method", "fork"),
    )
    with WorkerProcess(own.url, *options, environ=NULL) as worker, another_app(own.url) as app:
        assert answers(own, 5) == ["null"] * 5
        assert ask(app, "stats")["autoscaler"]["max"] == 2
        assert "docs/guarantees.md" in worker.log


def test_what_ends_a_process_of_the_pool_again_and_again_is_given_up(own):
    options = ("-P", "prefork", "-c", "2", *STRANGE)
    with WorkerProcess(own.url, *options, environ=NULL) as worker, another_app(own.url) as app:
        pending = own.fleet.submit(b"crash")
        many = solve(app, [b"fine", b"crash too"]).clone()
        many["task"] = wire.TASK_SOLVE_MANY
        listed = many.apply_async()
        with pytest.raises(errors.GivenUp):
            pending.result(60)
        fine, crashing = listed.get(timeout=60)
        assert fine["model"] == "null"
        assert crashing["error"]["type"] == "GivenUp"
        # Three of each, and no other process was ended.
        for each in (pending, listed):
            assert f"{each.id}: 3 workers were lost while they had it" in worker.log
        assert worker.log.count("exited with") == 6, worker.log
        assert "Timed out waiting for UP message" not in worker.log


@contextmanager
def in_the_background(own, folder, *command):
    """A command of Celery's whose workers go into the background, and their process ids."""
    environ = {**os.environ, **NULL, "CELERY_BROKER_URL": own.url, "CELERY_RESULT_BACKEND": own.url}
    files = (f"--pidfile={folder}/%n.pid", f"--logfile={folder}/%n.log")
    started = [sys.executable, "-m", "celery", "-A", "worker", *command, *files]
    subprocess.run(started, env=environ, check=True, timeout=60, capture_output=True)
    pids = {}
    try:
        yield pids
    finally:
        for pid in pids.values():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not list(folder.glob("*.pid")), 30)


def written(folder, count):
    """The process ids in the files, once there are so many."""
    found = {each.stem: each.read_text().strip() for each in folder.glob("*.pid")}
    return len(found) == count and all(found.values()) and found


@pytest.mark.parametrize(
    ("command", "names"),
    [
        (("worker", "-n", "w@here", "-D"), {"w"}),
        (("multi", "start", "1", "-c", "1"), {"celery1"}),
    ],
)
def test_workers_go_into_the_background(own, tmp_path, command, names):
    with in_the_background(own, tmp_path, *command) as pids:
        found = wait_until(lambda: written(tmp_path, len(names)), 30)
        pids |= {name: int(pid) for name, pid in found.items()}
        assert set(pids) == names
        assert answers(own, 2) == ["null"] * 2
