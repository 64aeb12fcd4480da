"""What a worker remembers as revoked is bounded, and still is not read."""

from types import SimpleNamespace

import pytest
from celery.exceptions import TaskRevokedError
from celery.worker import state

from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tests.support.running.fleet import NULL, another_app, ask, solve
from worker import control


def test_ids_that_no_task_can_have_are_not_remembered():
    with EmbeddedServer() as own, another_app(own.url) as app:
        others = ["x" * 1_000_000, "a\x00b", ["a"], {"a": 1}, 5, None]
        with WorkerProcess(own.url, "-c", "1", environ=NULL):
            waiting = solve(app).apply_async(countdown=5)
            app.control.revoke([waiting.id, *(each for each in others if isinstance(each, str))])
            app.control.broadcast("revoke", arguments={"task_id": others}, reply=True, timeout=5)
            assert ask(app, "revoked") == [waiting.id]
            with pytest.raises(TaskRevokedError):
                waiting.get(timeout=10)


def test_stamps_are_bounded(monkeypatch):
    monkeypatch.setattr(state, "revoked_stamps", {})
    worker = SimpleNamespace(consumer=None, app=None)
    for number in range(1500):
        control.revoke_by_stamped_headers(worker, {"visit": [f"{number}", "same"]})
    stamps = state.revoked_stamps["visit"]
    assert len(stamps) == 1000
    assert "1499" in stamps
    for number in range(150):
        control.revoke_by_stamped_headers(worker, {f"name-{number}": ["x" * 500, "short"]})
    assert len(state.revoked_stamps) == 100
    assert state.revoked_stamps["name-149"] == ["short"]
    assert control.revoke_by_stamped_headers(worker, ["visit=again"])
    assert "again" in state.revoked_stamps["visit"]
