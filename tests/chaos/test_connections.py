"""Any single connection of a worker breaks, in any way, at any moment: it is made anew by itself.

`make chaos` goes through every cell; `make test` through those that differ.
"""

import os
from contextlib import contextmanager
from time import sleep

import pytest
from redis import Redis

from producer import Client
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tests.support.running.fleet import STRANGE, wait_until
from tests.support.running.lines import ROLES, Lines

ENVIRON = {"TILEFLEET_ENGINE": "null", "TILEFLEET_MAX_BATCH": "4"}
#: Seconds in which a captcha is answered whatever has broken: a lease, and two more.
PATIENCE_S = 17

ALL = tuple(ROLES)
CELLS = {"cut": ("claiming", "results"), "reset": ALL, "half": ("claiming", "control")}
if os.environ.get("TILEFLEET_CHAOS"):
    CELLS = dict.fromkeys(("cut", "reset", "half", "stall"), ALL)
else:
    CELLS["stall"] = ("claiming",)


@contextmanager
def at_work():
    """A worker whose connections can be hurt, and what looks on from beside it."""
    with (
        EmbeddedServer() as server,
        Redis.from_url(server.url) as redis,
        Lines(server.port) as lines,
        Client(server.url) as fleet,
        WorkerProcess(lines.url, *STRANGE, environ=ENVIRON) as worker,
    ):
        yield redis, lines, fleet, worker


def settle(redis, lines, worker):
    """Nothing stays claimed, and the worker listens again: to its queues, and to people."""
    wait_until(lambda: not redis.hlen("unacked") and not redis.zcard("unacked_index"))
    wait_until(lambda: lines.of("claiming") and lines.of("control"))
    assert worker.process.poll() is None


@pytest.mark.parametrize("how", CELLS)
def test_it_is_connected_anew(how):
    with at_work() as (redis, lines, fleet, worker):
        for number, role in enumerate(CELLS[how]):
            # Once all of them are known, the worker waits.
            assert fleet.solve(b"%s" % role.encode(), PATIENCE_S).model == "null"
            wait_until(lambda role=role: lines.of(role))
            lines.hurt(role, how)
            pending = [fleet.submit(b"waiting %d %d" % (number, each)) for each in range(3)]
            assert all(each.result(PATIENCE_S).model == "null" for each in pending)
            settle(redis, lines, worker)
            # It claims, reads, stores and acknowledges, all at once.
            pending = [fleet.submit(b"tenth %d %d" % (number, each)) for each in range(16)]
            wait_until(lambda role=role, pending=pending: pending[3].ready() and lines.of(role))
            lines.hurt(role, how)
            assert all(each.result(PATIENCE_S).model == "null" for each in pending)
            settle(redis, lines, worker)
        assert "Unrecoverable" not in worker.log


@pytest.mark.parametrize("role", ["claiming", "leases", "results"])
def test_it_stops_in_order_while_one_breaks(role):
    with at_work() as (redis, lines, fleet, worker):
        fleet.solve(b"first", PATIENCE_S)
        pending = [fleet.submit(b"tenth %d" % each) for each in range(16)]
        wait_until(lambda: pending[3].ready() and lines.of(role))
        worker.process.terminate()
        sleep(0.1)
        lines.hurt(role, "reset")
        assert worker.process.wait(20) == 0
        # What it had not answered is answered by another.
        with WorkerProcess(lines.url, environ={**ENVIRON, "TILEFLEET_LEASE_S": "2"}):
            assert all(each.result(PATIENCE_S).model == "null" for each in pending)
            wait_until(lambda: not redis.hlen("unacked"))
