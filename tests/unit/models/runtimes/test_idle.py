"""What is computed beside others lets these go first."""

import os
from threading import get_native_id

import pytest

from models.runtimes import idle


def test_what_runs_beside_others_has_the_lowest_priority_and_its_caller_keeps_his():
    seen = []
    idle.run(lambda: seen.append(os.sched_getscheduler(get_native_id())))
    assert seen == [os.SCHED_IDLE]
    assert os.sched_getscheduler(get_native_id()) == os.SCHED_OTHER


def test_what_goes_wrong_there_is_raised_here():
    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        idle.run(fail)


def test_where_the_system_does_not_allow_it_it_is_computed_all_the_same(monkeypatch):
    def refuse(*_: object) -> None:
        raise PermissionError("not allowed")

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    seen = []
    idle.run(lambda: seen.append("computed"))
    assert seen == ["computed"]
