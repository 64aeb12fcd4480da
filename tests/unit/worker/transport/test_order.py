"""Queues: where somebody waits first, and no model always before another one."""

from worker.transport.order import LaneCycle

FIRST = {"captcha", "captcha@builtin", "captcha@mine"}
BULK = {"captcha.bulk", "captcha.bulk@builtin", "captcha.bulk@mine", "other"}


def looks(count: int) -> list[list[str]]:
    cycle = LaneCycle()
    cycle.update([*BULK, *FIRST])
    return [cycle.consume(7) for _ in range(count)]


def test_where_somebody_waits_is_always_looked_at_first():
    for look in looks(5):
        assert set(look[:3]) == FIRST
        assert set(look[3:]) == BULK


def test_they_take_turns_at_being_first():
    assert {look[0] for look in looks(3)} == FIRST
    assert {look[3] for look in looks(4)} == BULK


def test_without_queues_there_are_none():
    assert LaneCycle().consume(3) == []
