"""Who has the event loop when one address wants all of it; and how many lists one may have read."""

import asyncio
from itertools import pairwise
from time import perf_counter

from producer.gateway.connection.turns import Turns
from producer.gateway.visitors.slots import Slots


def busy(seconds):
    ends = perf_counter() + seconds
    while perf_counter() < ends:
        pass


def test_where_nobody_waits_it_is_done_at_once():
    async def use():
        turns, done = Turns(), []
        turns.do("a", lambda: done.append(1))
        before = list(done)
        await turns.wait("b")
        return before

    assert asyncio.run(use()) == [1]


def test_addresses_have_their_turns_one_after_another_and_each_in_order():
    async def use():
        turns, done = Turns(), []

        def work(name):
            busy(0.001)
            done.append(name)

        for number in range(20):
            turns.do("a", lambda number=number: work(f"a{number}"))
        turns.do("b", lambda: work("b0"))
        turns.do("c", lambda: work("c0"))
        turns.do("b", lambda: work("b1"))
        while len(done) < 23:
            await asyncio.sleep(0)
        return done

    done = asyncio.run(use())
    assert [each for each in done if each[0] == "a"] == [f"a{number}" for number in range(20)]
    # Some of the first ones were done before the others came.
    begun = done.index("b0")
    assert begun <= 4
    assert done.index("c0") <= begun + 2
    assert done.index("b1") <= begun + 4


def test_others_have_the_loop_between_turns():
    async def use():
        turns, done, laps = Turns(), [], []

        async def watch():
            while len(done) < 100:
                laps.append(len(done))
                await asyncio.sleep(0)

        async def one(number):
            await turns.wait("a")
            busy(0.0005)
            done.append(number)

        watching = asyncio.create_task(watch())
        await asyncio.gather(*map(one, range(100)))
        await watching
        return max(after - before for before, after in pairwise(laps))

    assert asyncio.run(use()) <= 5


def test_what_raises_and_what_is_cancelled_keeps_nobody():
    async def use():
        turns, loop = Turns(), asyncio.get_running_loop()
        loop.set_exception_handler(lambda *_: None)
        # So that the others wait.
        turns.do("a", lambda: busy(0.002))
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
