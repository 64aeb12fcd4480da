"""Bad days of the server and of the wire to it: the worker goes on by itself, nothing is lost."""

import os
from contextlib import contextmanager
from time import sleep

import pytest
from redis import Redis

from producer import Client
from producer.local.worker import WorkerProcess
from tests.support.running.fleet import STRANGE, wait_until
from tests.support.running.servers import FragileServer, Sentinels, Wire, stopped
from tilefleet import wire

ENVIRON = {"TILEFLEET_ENGINE": "null", "TILEFLEET_LEASE_S": "2", "TILEFLEET_MAX_BATCH": "8"}

#: Seconds that the wire is broken.
BROKEN_S = 20 if os.environ.get("TILEFLEET_CHAOS") else 3


@pytest.fixture
def server():
    with FragileServer() as server:
        yield server


def all_are_answered(redis, pending, seconds=30) -> bool:
    """Whether each has a result in the store: the connections of its sender may have gone."""
    keys = [f"celery-task-meta-{each.id}" for each in pending]
    return wait_until(lambda: redis.exists(*keys) == len(keys), seconds)


def nothing_is_left(redis) -> bool:
    return wait_until(
        lambda: (
            not (redis.llen(wire.LANE) or redis.hlen("unacked") or redis.zcard("unacked_index"))
            or None
        )
    )


def goes_on(url) -> bool:
    with Client(url) as fleet:
        return fleet.solve(b"afterwards", timeout=20).model == "null"


@contextmanager
def busy(server, worker_url, *options):
    """A worker with captchas that take it some seconds, a part of them done."""
    worker = WorkerProcess(worker_url, *STRANGE, *options, environ=ENVIRON)
    with Client(server.url) as fleet, Redis.from_url(server.url) as redis, worker:
        pending = [fleet.submit(b"tenth %d" % number) for number in range(120)]
        wait_until(lambda: pending[5].ready())
        yield redis, pending
        assert worker.process.poll() is None
        assert nothing_is_left(redis)


def test_a_server_that_is_killed_and_restarted(server):
    with busy(server, server.url) as (redis, pending):
        server.kill()
        sleep(1)
        server.restart()
        assert all_are_answered(redis, pending)
        assert goes_on(server.url)


@pytest.mark.parametrize("how", ["cut", "freeze"])
def test_a_wire_that_is_cut_or_dead_for_a_while(server, how):
    with Wire(server.port) as line, busy(server, line.url) as (redis, pending):
        getattr(line, how)()
        sleep(BROKEN_S)
        line.mend()
        assert all_are_answered(redis, pending, 40)
        assert goes_on(server.url)


def test_beside_a_server_that_hangs_a_worker_says_so_and_stops_in_time(server):
    """Whatever it holds; and nothing of that is lost."""
    environ = {**ENVIRON, "TILEFLEET_SHUTDOWN_S": "1"}
    worker = WorkerProcess(server.url, *STRANGE, environ=environ, stop_s=12)
    with Client(server.url) as fleet, Redis.from_url(server.url) as redis:
        with worker:
            pending = [fleet.submit(b"tenth %d" % number) for number in range(60)]
            wait_until(lambda: pending[5].ready())
            with stopped(server.pid):
                wait_until(lambda: "no answer within 5 s; connecting anew" in worker.log)
                assert worker.stop() == 0
        assert redis.hlen("unacked")
        with WorkerProcess(server.url, environ=ENVIRON):
            assert all_are_answered(redis, pending)
            assert nothing_is_left(redis)


def test_a_slow_wire(server):
    with Wire(server.port) as line, busy(server, line.url) as (redis, pending):
        line.delay_s = 0.1
        assert all_are_answered(redis, pending, 40)
        assert goes_on(server.url)
        line.delay_s = 0.0


def test_a_server_whose_memory_is_full(server):
    with busy(server, server.url) as (redis, pending):
        redis.config_set("maxmemory-policy", "noeviction")
        redis.config_set("maxmemory", 1)
        sleep(2)
        assert not all(redis.exists(f"celery-task-meta-{each.id}") for each in pending)
        redis.config_set("maxmemory", 0)
        assert all_are_answered(redis, pending)
        assert goes_on(server.url)


def test_a_failover_to_a_replica(monkeypatch):
    monkeypatch.setenv("TILEFLEET_SENTINEL_MASTER", Sentinels.NAME)
    with Sentinels() as sentinels:
        worker = WorkerProcess(sentinels.url, *STRANGE, environ=ENVIRON)
        with worker, Client(sentinels.url) as fleet:
            pending = [fleet.submit(b"tenth %d" % number) for number in range(60)]
            with Redis.from_url(sentinels.first.url) as first:
                wait_until(lambda: pending[5].ready())
                # What a replica has not got yet is lost with its master, whoever the client is.
                assert first.wait(1, 5000) == 1
            sentinels.first.kill()
            with Redis.from_url(sentinels.second.url) as second:
                assert all_are_answered(second, pending, 40)
                wait_until(lambda: second.role()[0] == b"master")
                assert nothing_is_left(second)
        assert worker.process.returncode == 0
