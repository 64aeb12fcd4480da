"""What a sender knows of how much waits: when it looks again, and what it refuses."""

import asyncio
from dataclasses import replace
from time import monotonic

import pytest

from producer.client import backlog as module
from producer.client import message
from producer.client.backlog import FRESH_S, Backlog, oldest_arguments, oldest_s
from producer.client.sending import Call, _check_room
from tilefleet import wire
from tilefleet.report import GONE_S, Fleet, ServerClock

LANE, MINE = wire.LANE, wire.lane("mine")


def fleet(bound: int = 10, lane: str = LANE) -> Fleet:
    """One worker that reads ten captchas a second."""
    return Fleet(1, 10.0, {lane: bound}, {lane: 1}, {lane: 10.0})


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand."""
    now = [monotonic()]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    return now


def seen(waiting: int, *, bound: int = 10, lane: str = LANE) -> Backlog:
    made = Backlog()
    made.saw(fleet(bound, lane), {lane: waiting})
    return made


def test_as_many_may_wait_as_the_workers_say_and_not_one_more():
    assert not seen(9).is_full(LANE)
    assert seen(10).is_full(LANE)
    assert not seen(6).is_full(LANE, 4)
    assert seen(6).is_full(LANE, 5)


def test_where_nothing_waits_more_than_may_wait_is_taken():
    assert not seen(0).is_full(LANE, 11)


def test_without_a_worker_there_is_no_bound():
    made = Backlog()
    made.saw(Fleet(), {LANE: 1_000_000})
    assert not made.is_full(LANE)
    assert not made.lacks(MINE)


def test_what_was_sent_since_the_last_look_counts_until_the_next_one():
    made = seen(8)
    made.sent(LANE, 2)
    assert (made.waiting(LANE), made.is_full(LANE)) == (10, True)
    made.saw(fleet(), {LANE: 1})
    assert (made.waiting(LANE), made.is_full(LANE)) == (1, False)


def test_what_workers_can_do_is_not_known_for_long(clock):
    made = seen(0)
    assert not made.fetches
    made.saw(replace(fleet(), fetch=True), {LANE: 0})
    clock[0] += GONE_S - 0.1
    assert made.fetches
    clock[0] += 0.2
    assert not made.fetches


def test_before_a_list_is_sent_the_client_looks_who_works():
    looked = []

    class Line:
        tells_time = True
        clock = ServerClock()
        backlog = seen(0)

        async def look(self, *lanes):
            looked.extend(lanes)

    line = Line()
    line.clock.saw(0.0, asked=0.0, answered=0.0)
    line.backlog._looked[LANE] -= FRESH_S
    asyncio.run(_check_room(line, Call([b"image"], LANE)))
    assert looked == []
    asyncio.run(_check_room(line, Call([[b"image"]], LANE, message.solve_many)))
    assert looked == [LANE]


def test_nothing_is_refused_by_a_count_of_what_may_be_answered_already(clock):
    made = seen(8)
    assert not made.needs_look(LANE)
    made.sent(LANE, 2)
    assert made.needs_look(LANE)


def test_a_look_is_good_for_a_moment(clock):
    made = seen(10)
    assert made.is_fresh(LANE)
    assert not made.needs_look(LANE)
    clock[0] += FRESH_S
    assert not made.is_fresh(LANE)
    assert made.needs_look(LANE)


def test_where_there_is_room_an_old_look_will_do(clock):
    made = seen(1)
    clock[0] += 3600
    assert not made.needs_look(LANE)


def test_no_lane_is_fresh_before_the_first_look(clock):
    clock[0] = 0.1
    assert not Backlog().is_fresh(LANE)
    assert Backlog().needs_look(LANE)


def test_a_model_that_nobody_holds_is_looked_for_each_time_and_leaves_nothing():
    made = seen(0)
    made.saw(fleet(), {MINE: 5})
    assert made.lacks(MINE)
    assert made.needs_look(MINE)
    assert made.waiting(MINE) == 0
    assert MINE not in made.lanes
    assert "'mine'" in str(made.unknown(MINE))


def test_the_lanes_are_those_of_all_workers_and_those_of_models_that_are_held():
    assert seen(0, lane=MINE).lanes == [*wire.LANES, MINE]


def test_a_refusal_says_how_much_waits_and_when_it_is_read():
    error = seen(10).overloaded(LANE, 3)
    assert str(error) == (
        "10 wait on captcha, and 10 may with 1 workers, too many for 3 more; they are read in "
        "about 1.0 s"
    )
    assert error.drain_s == 1.0


def test_of_several_fleets_what_waits_and_who_works_adds_up():
    whole = Backlog.total([seen(3), seen(4, bound=20)])
    assert whole.waiting(LANE) == 7
    assert whole.fleet.bounds[LANE] == 30
    assert whole.fleet.workers == 2


def test_the_oldest_is_asked_for_in_every_list_of_a_lane():
    count, *keys, header = oldest_arguments([LANE], key_prefix="a:")
    assert count == len(keys) == 4
    assert keys[0] == "a:captcha"
    assert header == wire.SENT_AT


def test_a_lane_is_as_old_as_the_oldest_of_its_lists():
    reply = [b"100", b"90", b"", b"70.5", b"", *[b""] * 4]
    assert oldest_s(["captcha", "captcha.bulk"], reply) == {"captcha": 29.5, "captcha.bulk": 0.0}


def test_a_message_of_the_future_is_not_younger_than_now():
    assert oldest_s(["captcha"], [b"100", b"160", b"", b"", b""]) == {"captcha": 0.0}


def test_a_lane_whose_oldest_says_nothing_of_when_it_was_sent_is_left_out():
    reply = [b"100", b"90", b"unknown", b"", b"", b"60", b"", b"", b""]
    assert oldest_s(["captcha", "captcha.bulk"], reply) == {"captcha.bulk": 40.0}
