"""Who goes first, and how much may wait."""

import os
from time import monotonic, sleep

import pytest
from redis import Redis

from producer import Client
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tests.support.running.fleet import NULL, STRANGE, another_app, ask, solve, wait_until
from tilefleet import errors, wire

#: Captchas of a bulk flood.
FLOOD = 10_000 if os.environ.get("TILEFLEET_CHAOS") else 1500


@pytest.fixture
def server():
    with EmbeddedServer() as server:
        yield server


def test_a_bulk_flood_delays_who_waits_by_no_more_than_a_pass(server):
    environ = {**NULL, "TILEFLEET_MAX_BATCH": "8"}
    with Client(server.url) as fleet, WorkerProcess(server.url, *STRANGE, environ=environ):
        for number in range(FLOOD):
            fleet.submit(b"tenth %d" % number, bulk=True)
        times = []
        for number in range(5):
            sleep(0.03 * number)
            started = monotonic()
            fleet.solve(b"now %d" % number, timeout=10)
            times.append(monotonic() - started)
        # A pass takes 0.1 s; the rest is this machine's.
        assert sorted(times)[2] < 0.2
        assert max(times) < 0.5


def test_captchas_that_somebody_waits_for_are_claimed_first(server):
    with Client(server.url) as fleet, another_app(server.url) as app:
        bulk = [fleet.submit(b"bulk %d" % number, bulk=True) for number in range(20)]
        urgent = [fleet.submit(b"urgent %d" % number) for number in range(20)]
        environ = {**NULL, "TILEFLEET_MAX_BATCH": "1"}
        with WorkerProcess(server.url, *STRANGE, environ=environ):
            assert all(each.result(10) for each in [*bulk, *urgent])
        done = {
            each.id: app.backend.get_task_meta(each.id)["date_done"] for each in [*bulk, *urgent]
        }
        assert max(done[each.id] for each in urgent) <= min(done[each.id] for each in bulk)


def test_celery_s_priorities_hold_within_a_lane(server):
    with another_app(server.url) as app:
        low = [solve(app, b"low %d" % number).apply_async(priority=9) for number in range(10)]
        high = [solve(app, b"high %d" % number).apply_async(priority=0) for number in range(10)]
        environ = {**NULL, "TILEFLEET_MAX_BATCH": "1"}
        with WorkerProcess(server.url, *STRANGE, environ=environ):
            assert all(each.get(timeout=10) for each in [*low, *high])
        last_high = max(app.backend.get_task_meta(each.id)["date_done"] for each in high)
        assert last_high <= min(app.backend.get_task_meta(each.id)["date_done"] for each in low)


def test_above_the_bound_senders_are_refused_with_an_estimate(server):
    environ = {**NULL, "TILEFLEET_MAX_BATCH": "4", "TILEFLEET_MAX_WAITING": "30"}
    with Client(server.url) as fleet, Redis.from_url(server.url) as redis:
        with WorkerProcess(server.url, *STRANGE, environ=environ):
            accepted = []
            refused = None
            for number in range(200):
                try:
                    accepted.append(fleet.submit(b"tenth %d" % number))
                except errors.Overloaded as error:
                    refused = error
                    if error.drain_s is not None:
                        break
                    sleep(0.1)
            assert refused is not None
            assert "30 may with 1 workers" in str(refused)
            # 40 captchas a second at most.
            assert 0.2 < refused.drain_s < 10
            assert redis.llen(wire.LANE) <= 31
            # The other lane has its own bound.
            bulk = fleet.submit(b"bulk", bulk=True)
            assert all(each.result(20) for each in [*accepted, bulk])
            wait_until(lambda: fleet.submit(b"again"))
        # Without a worker there is no bound: captchas wait for the first one.
        sleep(0.3)
        assert len([fleet.submit(b"later %d" % number) for number in range(60)]) == 60


def test_what_has_expired_costs_no_pass(server):
    with Client(server.url) as fleet, another_app(server.url) as app:
        expired = [fleet.submit(b"any %d" % number, expires=0.2) for number in range(300)]
        sleep(0.3)
        with WorkerProcess(server.url, environ=NULL):
            assert fleet.solve(b"fresh", timeout=10).model == "null"
            with pytest.raises(errors.Revoked, match="expired"):
                expired[-1].result(5)
            assert ask(app, "stats")["engine_room"]["captchas"] == 1
