"""When a worker's heart stops beating."""

from math import inf
from types import SimpleNamespace

import pytest

from tests.support.running.fleet import wait_until
from worker.monitoring.health import Health


class Room:
    """An engine room that reads nothing."""

    engine = SimpleNamespace(model="m@1")
    here = 0
    reads = True

    def stats(self):
        return {"waiting": self.here, "running": 0, "captchas": 0}


def started(folder, stuck_s=60.0, turned=inf, connection="some", connecting=False):
    coordinator = SimpleNamespace(turned=turned, errors={})
    consumer = SimpleNamespace(connection=connection, connecting=connecting)
    worker = SimpleNamespace(hostname="w@h", consumer=consumer)
    health = Health(folder, worker, coordinator, reads=lambda: room.reads, stuck_s=stuck_s)
    room = Room()
    health.start(room)
    health.enter()
    return health, room


def beats(folder):
    """Whether the heartbeat is written within a little more than a second."""
    before = (folder / "heartbeat").stat().st_mtime_ns
    try:
        wait_until(lambda: (folder / "heartbeat").stat().st_mtime_ns > before, 1.5)
    except AssertionError:
        return False
    return True


@pytest.mark.slow
def test_captchas_that_are_here_and_do_not_get_done_stop_it(tmp_path):
    health, room = started(tmp_path, stuck_s=0.1)
    assert beats(tmp_path)
    room.here = 3
    wait_until(lambda: not beats(tmp_path))
    room.here = 0
    assert beats(tmp_path)
    health.close()


@pytest.mark.slow
def test_a_loop_that_does_not_turn_stops_it_unless_the_worker_is_connecting(tmp_path):
    health, _ = started(tmp_path / "hangs", turned=-inf)
    assert not beats(tmp_path / "hangs")
    health.close()
    for connects in ({"connection": None}, {"connecting": True}):
        health, _ = started(tmp_path / "connects", turned=-inf, **connects)
        assert beats(tmp_path / "connects")
        health.close()
        assert not (tmp_path / "connects" / "heartbeat").exists()


@pytest.mark.slow
def test_a_loop_that_does_not_turn_is_told_of_once(tmp_path, caplog):
    health, _ = started(tmp_path, turned=-inf)
    assert not beats(tmp_path)
    assert not beats(tmp_path)
    health.close()
    assert len(caplog.records) == 1


@pytest.mark.slow
def test_a_worker_that_reads_no_lane_is_not_ready(tmp_path):
    health, room = started(tmp_path)
    assert (tmp_path / "ready").read_text().startswith("w@h ")
    room.reads = False
    wait_until(lambda: not (tmp_path / "ready").exists(), 5)
    assert beats(tmp_path)
    room.reads = True
    wait_until((tmp_path / "ready").exists, 5)
    health.leave()
    assert beats(tmp_path)
    assert not (tmp_path / "ready").exists()
    health.close()
