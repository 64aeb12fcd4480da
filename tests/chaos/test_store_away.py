"""Results on another server, which is full or away: the worker keeps what it has, and answers."""

import os
import signal
from contextlib import contextmanager
from datetime import UTC, datetime
from time import sleep

import pytest
from celery import states
from redis import Redis

from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tests.support.running.fleet import NULL, another_app, ask, solve, wait_until
from tilefleet import wire

#: Seconds of a lease, and that the store is away: three leases.
LEASE_S, AWAY_S = 4, 12


@contextmanager
def full(store):
    with Redis.from_url(store.url) as redis:
        redis.config_set("maxmemory", 1)
        yield
        redis.config_set("maxmemory", 0)


@contextmanager
def frozen(store):
    os.kill(store.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(store.pid, signal.SIGCONT)


@pytest.mark.parametrize("away", [full, frozen])
def test_what_is_not_read_holds_up_nothing_while_its_outcome_waits(away):
    """Expired, revoked, no captcha, no task."""
    with (
        EmbeddedServer() as server,
        EmbeddedServer() as store,
        Redis.from_url(server.url) as redis,
        another_app(server.url) as app,
    ):
        environ = {
            **NULL,
            "CELERY_RESULT_BACKEND": store.url,
            "TILEFLEET_LEASE_S": str(LEASE_S),
        }
        with WorkerProcess(server.url, "-c", "1", environ=environ) as worker:
            with away(store):
                past = datetime(2020, 1, 1, tzinfo=UTC)
                expired = [solve(app, b"any").apply_async(expires=past) for _ in range(3)]
                refused = [app.send_task(name) for name in (wire.TASK_SOLVE, "worker.nothing")]
                plain = [solve(app, b"plain %d" % number).delay() for number in range(3)]
                wait_until(lambda: redis.hlen("unacked") == 8)
                assert ask(app, "stats")["engine_room"]["claimed"] == 8
                sleep(AWAY_S)
                assert redis.hlen("unacked") == 8
                assert not redis.llen(wire.LANE)
            wait_until(lambda: not redis.exists("unacked"), 30)
            assert "given back" not in worker.log
            assert "connecting anew" not in worker.log
        found = another_store(store, [*expired, *refused, *plain])
    assert found == [states.REVOKED] * 3 + [states.FAILURE] * 2 + [states.SUCCESS] * 3


def another_store(store, results):
    with another_app(store.url) as app:
        return [app.AsyncResult(each.id).status for each in results]
