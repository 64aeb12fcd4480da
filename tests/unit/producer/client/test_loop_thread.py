"""The event loop in a thread: whoever waits for it gets an end, whatever becomes of it."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from producer.client.loop_thread import Background
from tilefleet.errors import FleetUnreachable


@pytest.fixture
def background() -> Iterator[Background]:
    made = Background()
    yield made
    made.end(nothing())


async def nothing() -> None:
    """What is done last."""


async def number() -> int:
    return 1


def test_what_is_begun_is_done(background):
    assert background.wait(number()) == 1
    assert background.start(number()).result(5) == 1


def test_whoever_waits_when_it_ends_is_told():
    background = Background()
    ended: list[str] = []

    async def begun() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            ended.append("cleaned up")

    with ThreadPoolExecutor(2) as threads:
        waiting = [threads.submit(background.wait, begun()) for _ in range(2)]
        # However far these have come.
        while not asyncio.all_tasks(background.loop):
            pass
        background.end(nothing())
        # One that came too late was not begun.
        errors = [type(each.exception(5)) for each in waiting]
    assert errors == [FleetUnreachable] * 2
    assert ended


def test_nothing_is_begun_that_nobody_ends():
    background = Background()
    with ThreadPoolExecutor(4) as threads:
        begun = [threads.submit(background.wait, number()) for _ in range(100)]
        background.end(nothing())
        ends = [each.exception(5) for each in begun]
    assert {type(each) for each in ends} <= {type(None), FleetUnreachable}
    with pytest.raises(FleetUnreachable, match="the client was closed"):
        background.wait(number())
    background.call(ends.clear)
    assert len(ends) == 100
    background.end(nothing())


def test_in_a_forked_child_nobody_waits_for_the_thread_of_its_parent(background):
    background._process += 1
    called: list[int] = []
    background.call(lambda: called.append(1))
    with pytest.raises(FleetUnreachable, match=r"it is process \d+'s, which forked this one"):
        background.wait(number())
    background._process -= 1
    background.wait(number())
    assert not called


def test_whoever_is_interrupted_waits_no_longer_and_nor_does_anybody_else():
    class Interrupted(Future[int]):
        def result(self, timeout: float | None = None) -> int:
            raise KeyboardInterrupt

    future = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        Background.result(future)
    assert future.cancelled()


def test_where_its_own_thread_ends_it_nobody_waits_for_ever():
    background, ended = Background(), []

    async def last() -> None:
        await asyncio.sleep(0)
        ended.append("last")

    waiting = background.start(asyncio.sleep(60))
    background.call(lambda: background.end(last()))
    with pytest.raises(FleetUnreachable, match="the client was closed"):
        Background.result(waiting)
    background._thread.join(5)
    assert (ended, background.loop.is_closed()) == (["last"], True)
