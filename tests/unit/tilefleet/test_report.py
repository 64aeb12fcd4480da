"""What workers tell about themselves, and what a sender makes of it."""

import pytest

from producer.client.backlog import Backlog
from tilefleet import report, wire
from tilefleet.report import GONE_S, Fleet, Report, ServerClock

NOW = 1_800_000_000


def line(rate: float, bound: int, *, age: int = 0) -> bytes:
    return f"{NOW - age} {Report(rate, {'captcha': bound}).encode()}".encode()


@pytest.mark.parametrize("age", [GONE_S + 1, -3600], ids=["silent", "before a clock was set back"])
def test_workers_add_up_and_those_that_are_gone_do_not_count(age):
    fleet = Fleet.read(NOW, [line(200, 1000), line(100, 500), line(900, 9, age=age)])
    assert (fleet.workers, fleet.rate, fleet.bounds) == (2, 300, {"captcha": 1500})
    assert fleet.drain_s(600) == 2


def test_a_worker_whose_rate_is_unknown_is_taken_for_an_average_one():
    assert Fleet.read(NOW, [line(200, 1), line(0, 1)]).rate == 400
    assert Fleet.read(NOW, [line(0, 1)]).drain_s(5) is None


@pytest.mark.parametrize("text", [b"", b"x", b"5", b"5 {}", b"5 []", b'%d {"rate": "x"}' % NOW])
def test_lines_of_others_are_skipped(text):
    assert Fleet.read(NOW, [text, line(1, 2)]).workers == 1


def test_a_gauge_counts_what_was_sent_since_the_last_look():
    backlog = Backlog()
    assert not backlog.is_full("captcha")
    assert backlog.needs_look("captcha")
    backlog.saw(Fleet.read(NOW, [line(2, 3)]), {"captcha": 1})
    backlog.sent("captcha", 1)
    assert not backlog.is_full("captcha")
    backlog.sent("captcha", 1)
    assert backlog.is_full("captcha")
    # What was sent since the look may be answered by now.
    assert backlog.needs_look("captcha")
    error = backlog.overloaded("captcha")
    assert error.drain_s == 1.5
    assert str(error) == (
        "3 wait on captcha, and 3 may with 1 workers; they are read in about 1.5 s"
    )
    backlog.saw(Fleet.read(NOW, [line(2, 3)]), {"captcha": 0})
    assert not backlog.is_full("captcha")
    backlog.saw(Fleet.read(NOW, [line(2, 3)]), {"captcha": 3})
    assert backlog.is_full("captcha")
    assert not backlog.needs_look("captcha")


def test_many_together_are_refused_where_they_would_pass_the_bound_and_never_if_nothing_waits():
    backlog = Backlog()
    fleet = Fleet.read(NOW, [line(0, 10)])
    backlog.saw(fleet, {"captcha": 8})
    assert not backlog.is_full("captcha", 2)
    assert backlog.is_full("captcha", 3)
    assert "8 wait on captcha, and 10 may with 1 workers, too many for 3 more" in str(
        backlog.overloaded("captcha", 3)
    )
    backlog.saw(fleet, {"captcha": 0})
    assert not backlog.is_full("captcha", 256)


def test_only_workers_that_read_a_lane_count():
    told = Fleet.read(NOW, [line(0, 10), f"{NOW} {Report(5.0, {}).encode()}".encode()])
    assert (told.workers, told.rate, told.bounds) == (1, 0.0, {"captcha": 10})


def holding(*models: str, rate: float = 0.0, bound: int = 10) -> bytes:
    bounds = dict.fromkeys(wire.lanes(models), bound)
    identities = [f"{model}@1" for model in models]
    told = Report(rate, bounds, identities[0], others=tuple(identities[1:]))
    return f"{NOW} {told.encode()}".encode()


def test_workers_tell_which_models_they_hold_and_of_no_others_is_anything_read():
    fleet = Fleet.read(NOW, [holding("builtin", "mine"), holding("builtin")])
    assert fleet.models == ("builtin", "mine")
    assert not fleet.lacks("mine")
    assert not fleet.lacks("")
    assert fleet.lacks("other")


def test_without_a_worker_nobody_knows_what_is_held():
    assert not Fleet.read(NOW, []).lacks("mine")


def test_a_lane_is_drained_by_those_that_read_it():
    lines = [holding("builtin", "mine", rate=100), holding("builtin", rate=300)]
    fleet = Fleet.read(NOW, lines)
    assert fleet.drain_s(400) == 1
    assert fleet.drain_s(400, "captcha@mine") == 4
    assert fleet.bounds["captcha@mine"] == 10
    assert fleet.bounds["captcha@builtin"] == 20
    twice = Fleet.total([fleet, fleet])
    assert (twice.workers, twice.drain_s(400, "captcha@mine")) == (4, 2)


def test_a_worker_of_an_earlier_version_holds_one_model_that_has_no_lanes():
    told = b'%d {"rate": 1.0, "bounds": {"captcha": 5}, "model": "builtin@1"}' % NOW
    assert report.decode(NOW, told).models == ("builtin@1",)
    assert Fleet.read(NOW, [told]).lacks("builtin")


def test_a_name_that_nobody_holds_leaves_nothing_behind():
    backlog = Backlog()
    for number in range(3):
        lane = f"captcha@{number}"
        assert backlog.needs_look(lane)
        backlog.saw(Fleet.read(NOW, [holding("builtin")]), {lane: 0})
        backlog.sent(lane, 1)
        assert backlog.lacks(lane)
        assert backlog.unknown(lane).held == ("builtin",)
    assert not backlog._looked
    assert not backlog._waiting
    assert not backlog._sent
    assert backlog.lanes == ["captcha", "captcha.bulk", "captcha.bulk@builtin", "captcha@builtin"]


def test_a_model_that_goes_is_looked_for_once_more_before_it_is_refused():
    backlog = Backlog()
    backlog.saw(Fleet.read(NOW, [holding("builtin", "mine")]), {"captcha@mine": 0})
    assert not backlog.needs_look("captcha@mine")
    backlog.saw(Fleet.read(NOW, [holding("builtin")]), {"captcha": 0})
    assert backlog.needs_look("captcha@mine")


def test_a_worker_whose_rate_is_unknown_counts_for_its_lane_as_an_average_one():
    fleet = Fleet.read(NOW, [line(30, 10), line(0, 10)])
    assert fleet.rates[wire.LANE] == 60
    assert fleet.drain_s(60, wire.LANE) == 1.0


def test_a_reply_says_only_by_how_much_a_clock_is_outside_of_the_time_that_it_took():
    clock = ServerClock()
    for server, ahead in ((100.5, 0.0), (110.0, 9.0), (90.0, -10.0)):
        clock.saw(server, asked=100.0, answered=101.0)
        assert clock.ahead_s == pytest.approx(ahead)


def test_a_clock_is_taken_for_set_anew_until_a_look_and_when_it_jumps(monkeypatch):
    clock = ServerClock()
    assert clock.was_set
    clock.saw(100.5, asked=100.0, answered=101.0)
    assert not clock.was_set
    here = report.time()
    monkeypatch.setattr(report, "time", lambda: here + 60)
    assert clock.was_set


def test_bodies_are_beside_their_messages_only_where_every_worker_fetches_them():
    def told(bound: int, **options) -> bytes:
        bounds = {"captcha": bound} if bound else {}
        return f"{NOW} {Report(1.0, bounds, **options).encode()}".encode()

    new, old, starting = told(1, fetches=True), told(1), told(0)
    assert Fleet.read(NOW, [new, new]).fetch
    # A line of the version before says nothing of it.
    assert not Fleet.read(NOW, [new, old.replace(b',"fetches":false', b"")]).fetch
    assert not Fleet.read(NOW, [new, starting]).fetch
    assert not Fleet.read(NOW, []).fetch
    assert Fleet.total([Fleet.read(NOW, [new])] * 2).fetch
    assert not Fleet.total([Fleet.read(NOW, [each]) for each in (new, old)]).fetch
