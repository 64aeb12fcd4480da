"""Who has the event loop when one address wants all of it; and how many lists one may have read."""

import asyncio
from itertools import pairwise
from time import monotonic, thread_time

import pytest

from producer.gateway.connection import turns as module
from producer.gateway.connection.turns import Slices, Turns
from producer.gateway.visitors.slots import Slots


def busy(seconds):
    ends = thread_time() + seconds
    while thread_time() < ends:
        pass


def test_what_is_little_is_done_at_once():
    async def use():
        turns, done = Turns(), []
        for who in ("a", "b", "a"):
            turns.do(who, lambda: done.append(1))
        before = list(done)
        await turns.wait("b")
        return before

    assert asyncio.run(use()) == [1, 1, 1]


def test_who_has_had_a_share_waits_in_order_and_nobody_else_does():
    async def use():
        turns, done = Turns(), []

        def work(name):
            busy(0.0002)
            done.append(name)

        turns.do("b", lambda: work("b0"))
        for number in range(20):
            turns.do("a", lambda number=number: work(f"a{number}"))
        turns.do("b", lambda: work("b1"))
        turns.do("c", lambda: work("c0"))
        at_once = list(done)
        while len(done) < 23:
            await asyncio.sleep(0)
        return at_once, done

    at_once, done = asyncio.run(use())
    assert [each for each in done if each[0] == "a"] == [f"a{number}" for number in range(20)]
    assert {"b0", "b1", "c0"} <= {*at_once}
    assert len(at_once) <= 6


@pytest.mark.parametrize("idle_s", [0.0, 5.0])
def test_who_has_had_much_waits_for_it_but_not_after_a_time_without_anybody(monkeypatch, idle_s):
    ahead = 0.0
    monkeypatch.setattr(module, "monotonic", lambda: monotonic() + ahead)

    async def use():
        nonlocal ahead
        turns = Turns()
        await turns.wait("b")
        turns.do("a", lambda: busy(0.1))
        await asyncio.sleep(0)
        ahead = idle_s
        await turns.wait("b")
        waits = asyncio.create_task(turns.wait("a"))
        for _ in range(4):
            await asyncio.sleep(0)
        done = waits.done()
        await waits
        return done

    assert asyncio.run(use()) is bool(idle_s)


def test_all_that_wait_have_a_share_of_each_turn():
    async def use():
        turns, done = Turns(), []

        def work(name):
            busy(0.001)
            done.append(name)

        for _ in range(12):
            for who in "abc":
                turns.do(who, lambda who=who: work(who))
        while len(done) < 36:
            await asyncio.sleep(0)
        return done

    done = asyncio.run(use())
    for at in range(3, 36, 3):
        assert max(done[:at].count(who) for who in "abc") <= at / 3 + 4


def laps(*others):
    """How many steps of one address the loop makes at most between two of its turns."""

    async def use():
        turns, done, seen = Turns(), [], []
        for who in others:
            await turns.wait(who)

        async def watch():
            while len(done) < 100:
                seen.append(len(done))
                await asyncio.sleep(0)

        async def one(number):
            await turns.wait("a")
            busy(0.0005)
            done.append(number)

        watching = asyncio.create_task(watch())
        await asyncio.gather(*map(one, range(100)))
        await watching
        # All of them in one turn leave nothing between two.
        return max((after - before for before, after in pairwise(seen)), default=100)

    return asyncio.run(use())


def test_others_have_the_loop_between_turns_and_who_is_alone_has_all_of_it():
    assert laps("b") <= 10
    # What begins together goes to the fleet together.
    assert laps() >= 90


def test_what_one_has_queued_is_done_in_pieces_though_it_is_alone():
    async def use():
        turns, done, seen = Turns(), [], []

        def work():
            busy(0.001)
            done.append(1)
            if len(done) < 100:
                # As a parser does that has more to parse.
                turns.do("a", work)

        turns.do("a", work)
        while len(done) < 100:
            seen.append(len(done))
            await asyncio.sleep(0)
        return max(after - before for before, after in pairwise(seen))

    assert asyncio.run(use()) <= 30


def laps_of_steps(took):
    """The longest of another one's steps of the loop, while one address counts steps of `took`."""

    async def use():
        turns, left, longest = Turns(), 64, 0.0

        async def one():
            nonlocal left
            for _ in range(4):
                await asyncio.sleep(0)
                await turns.wait("a")
                busy(took)
            left -= 4

        turns.do("b", lambda: None)
        tasks = [asyncio.create_task(run(turns.count("a", one()))) for _ in range(16)]
        begun = thread_time()
        while left:
            # However slow the machine is, somebody else is there.
            turns.do("b", lambda: None)
            await asyncio.sleep(0)
            longest, begun = max(longest, thread_time() - begun), thread_time()
        await asyncio.gather(*tasks)
        return longest

    return asyncio.run(use())


async def run(counted):
    await counted


def test_what_a_request_takes_is_counted_and_has_to_be_made_up_for():
    # One or two that were let in before they were measured, not all sixteen.
    assert laps_of_steps(0.005) < 0.03


def test_what_is_counted_returns_raises_and_is_cancelled_like_anything_else():
    async def use():
        turns, seen = Turns(), []

        async def work(error=None):
            try:
                await asyncio.sleep(0)
                if error is not None:
                    raise error
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                seen.append("cancelled")
                raise
            finally:
                seen.append("ended")

        with pytest.raises(ZeroDivisionError):
            await turns.count("a", work(ZeroDivisionError()))
        task = asyncio.create_task(run(turns.count("a", work())))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return seen

    assert asyncio.run(use()) == ["ended", "cancelled", "ended"]


def test_slices_are_short_where_bytes_take_long_and_long_where_they_do_not():
    slices = Slices(1 << 14, 1 << 16)
    for _ in range(20):
        slices.begin(1 << 20)
        busy(0.001)
        slices.end()
    assert slices.begin(1 << 20) == 1 << 10
    for _ in range(40):
        slices.begin(1 << 20)
        slices.end()
    assert slices.begin(1 << 20) == 1 << 16


def test_what_is_done_in_one_go_changes_no_slice():
    slices = Slices(1 << 14, 1 << 16)
    slices.begin(1 << 14)
    busy(0.001)
    slices.end()
    assert slices.begin(1 << 14) == 1 << 14


def test_what_raises_and_what_is_cancelled_keeps_nobody():
    async def use():
        turns, loop = Turns(), asyncio.get_running_loop()
        loop.set_exception_handler(lambda *_: None)
        await turns.wait("b")
        # So that the others wait.
        turns.do("a", lambda: busy(0.005))
        turns.do("a", lambda: 1 / 0)
        gone = asyncio.create_task(turns.wait("a"))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.wait_for(turns.wait("a"), 5)
        await asyncio.wait_for(turns.wait("b"), 5)
        return turns._of

    assert not asyncio.run(use())


def test_an_address_has_so_many_slots_and_others_have_their_own():
    async def use():
        slots, held, most = Slots(2), {"a": 0, "b": 0}, {"a": 0, "b": 0}

        async def one(who):
            async with slots.one(who, 5) as left_s:
                assert 0 < left_s <= 5
                held[who] += 1
                most[who] = max(most[who], held[who])
                await asyncio.sleep(0.01)
                held[who] -= 1

        await asyncio.gather(*(one(who) for who in "aaaaabbb"))
        async with slots.one("a", 5), slots.one("a", 5), slots.one("a", 0.01) as left_s:
            assert left_s == 0.0
        async with slots.one("a", 5), slots.one("b", 0.01) as left_s:
            assert left_s > 0
        return most, slots._free, slots._used

    most, free, used = asyncio.run(use())
    assert (most, free, dict(used)) == ({"a": 2, "b": 2}, {}, {})
