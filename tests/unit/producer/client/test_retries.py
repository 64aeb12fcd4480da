"""How often, and after which pauses, a client tries again."""

import asyncio
import math
from itertools import count
from time import monotonic

import pytest

from tilefleet import BadArgument, Client, FleetUnreachable, NotAnImage, Overloaded, Retries
from tilefleet.testing import AnswerFactory, AsyncFakeFleet, FakeFleet

QUICK = Retries(3, pause_s=0.01, longest_s=0.02)


def failing(times, error):
    """A reply that is this error the first times it is asked for, then an answer."""
    asked = count()
    return lambda _: error if next(asked) < times else AnswerFactory(seed=7).build()


def test_pauses_grow_up_to_the_longest():
    policy = Retries(5, pause_s=0.1, growth=3, longest_s=2)
    assert list(policy.pauses(Overloaded)) == pytest.approx([0.1, 0.3, 0.9, 2, 2])
    assert list(Retries.of(None).pauses(FleetUnreachable)) == pytest.approx([0.1, 0.3, 0.9])
    assert list(Retries.of(None).pauses(Overloaded)) == []
    assert list(Retries.of(0).pauses(FleetUnreachable)) == []


def test_no_two_pauses_are_the_same_and_none_is_out_of_its_bounds():
    drawn = {QUICK.jittered(1.0) for _ in range(100)}
    assert len(drawn) == 100
    assert 0.5 <= min(drawn) < 0.7 < 1.3 < max(drawn) <= 1.5
    assert Retries(jitter=0).jittered(1.0) == 1.0


def test_a_refusal_says_how_long_to_wait():
    policy = Retries(jitter=0, longest_s=4)
    refused = Overloaded("full")
    assert policy.after(refused, 0.1, least=0.25) == 0.25
    refused.drain_s = 3.0
    assert policy.after(refused, 0.1, least=0.25) == 3.0
    refused.drain_s = 300.0
    assert policy.after(refused, 0.1, least=0.25) == 4.0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"total": -1}, "total=-1"),
        ({"total": "5"}, "total='5'; give a whole number of tries, 0 to 1000"),
        ({"total": 10**9}, "total=1000000000"),
        ({"total": True}, "total=True"),
        ({"pause_s": 0}, "pause_s=0"),
        ({"pause_s": 9}, r"longest_s=5\.0"),
        ({"growth": 0.5}, r"growth=0\.5"),
        ({"growth": math.nan}, "growth=nan"),
        ({"longest_s": "5"}, "longest_s='5'"),
        ({"jitter": 1}, "jitter=1"),
        ({"on": (NotAnImage,)}, "on=.*NotAnImage"),
        ({"on": "Overloaded"}, "on='Overloaded'"),
    ],
)
def test_what_is_no_policy_says_why(wrong, said):
    with pytest.raises(BadArgument, match=said):
        Retries(**wrong)
    with pytest.raises(ValueError, match="total=-1"):
        Client(retries=-1)


def test_a_connection_that_comes_back_in_time_is_no_error():
    with FakeFleet(retries=QUICK) as fleet:
        fleet.when(b"any", failing(3, FleetUnreachable("gone")))
        assert fleet.solve(b"any", timeout=5) == AnswerFactory(seed=7).build()
        assert fleet.received == [b"any"]
        fleet.when(b"any", failing(4, FleetUnreachable("gone")))
        with pytest.raises(FleetUnreachable, match="gone"):
            fleet.solve(b"any", timeout=5)


def test_a_fleet_that_has_room_again_is_no_error():
    with FakeFleet(retries=2) as fleet:
        fleet.when(b"any", failing(1, Overloaded("full")))
        assert fleet.solve(b"any", timeout=5).picks
        pairs = list(fleet.map([b"one", b"two"], bulk=True))
        assert [image for image, _ in pairs] == [b"one", b"two"]
        with fleet.overloaded(drain_s=0.01), pytest.raises(Overloaded):
            fleet.solve(b"any", timeout=5)


def test_nobody_waits_longer_than_the_timeout():
    with FakeFleet(retries=Retries(9, jitter=0)) as fleet, fleet.overloaded(drain_s=3):
        begun = monotonic()
        with pytest.raises(Overloaded):
            fleet.solve(b"any", timeout=1)
        assert monotonic() - begun < 1


def test_without_a_policy_a_refusal_is_raised_at_once():
    asked = []

    def refuse(_):
        asked.append(1)
        return Overloaded("full")

    with FakeFleet() as fleet:
        fleet.when(b"any", refuse)
        with pytest.raises(Overloaded):
            fleet.submit(b"any")
    assert len(asked) == 1


def test_what_is_wrong_with_a_captcha_is_never_tried_again():
    async def use():
        async with AsyncFakeFleet(retries=5) as fleet:
            fleet.when(b"html", NotAnImage("html"))
            with pytest.raises(NotAnImage):
                await fleet.solve(b"html")
            return fleet.received

    assert asyncio.run(use()) == [b"html"]
