"""What several ask for at once is found out once."""

import asyncio

import pytest

from producer.gateway.visitors.together import Together


def test_who_asks_meanwhile_hears_the_same_and_who_asks_later_something_new():
    async def use():
        begun = 0

        async def work():
            nonlocal begun
            begun += 1
            number = begun
            await asyncio.sleep(0.01)
            return number

        ask = Together(work)
        return await asyncio.gather(ask(), ask(), ask()), await ask(), begun

    assert asyncio.run(use()) == ([1, 1, 1], 2, 2)


def test_one_who_goes_away_takes_it_from_nobody_and_what_fails_fails_for_all():
    async def use():
        async def work():
            await asyncio.sleep(0.01)
            raise ZeroDivisionError

        ask = Together(work)
        gone, stays = asyncio.create_task(ask()), asyncio.create_task(ask())
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(ZeroDivisionError):
            await stays
        return gone.cancelled()

    assert asyncio.run(use())
