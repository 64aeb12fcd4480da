"""What the load is made of."""

import asyncio
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from producer.bench.load import Deck, Plan, Tally, run
from producer.cli.main import main
from tilefleet.errors import GivenUp, NotAnImage, Overloaded
from tilefleet.testing import AsyncFakeFleet

PICTURES = [b"first" * 30, b"second" * 30]


def dealt(count=2000, **shares):
    deck = Deck(Plan(PICTURES, **shares))
    return [deck.next() for _ in range(count)]


def test_every_captcha_is_another_one_unless_duplicates_are_asked_for():
    assert len({data for data, _ in dealt()}) == 2000
    repeated = 2000 - len({data for data, _ in dealt(duplicates=0.3)})
    assert 500 < repeated < 700


def test_bad_images_come_in_their_share():
    bad = [data for data, good in dealt(bad=0.1) if not good]
    assert 140 < len(bad) < 260
    assert not any(data.startswith(tuple(PICTURES)) for data in bad)


def test_arrivals_keep_their_rate():
    deck = Deck(Plan(PICTURES, rate=50.0))
    assert 18 < sum(deck.pause() for _ in range(1000)) < 22


def test_percentiles_are_measured_latencies():
    tally = Tally(latencies=[float(number) for number in range(100, 0, -1)])
    assert tally.quantile(0.5) == 51.0
    assert tally.quantile(0.99) == 100.0
    assert tally.quantile(1.0) == 100.0
    assert Tally().quantile(0.5) is None


def measured(fleet, **plan):
    async def program(tally):
        async with fleet:
            await run(fleet, Plan(PICTURES, seconds=0.2, **plan), tally)
        return tally

    return asyncio.run(program(Tally()))


@pytest.mark.parametrize("loop", [{"clients": 3}, {"rate": 200.0}])
def test_every_captcha_that_was_sent_is_counted_once(loop):
    fleet = AsyncFakeFleet()
    fleet.when(lambda image: not image.startswith(tuple(PICTURES)), NotAnImage("no captcha"))
    fleet.when(lambda image: image[-1] % 5 == 0 and image.startswith(b"first"), GivenUp("lost"))
    tally = measured(fleet, bad=0.3, **loop)
    assert tally.errors.keys() == {"GivenUp"}
    assert tally.refused.keys() == {"NotAnImage"}
    counted = tally.answered + sum((tally.errors + tally.refused).values()) + tally.accepted
    # And the one before, which makes the connections.
    assert tally.sent == counted == len(fleet.received) - 1
    assert tally.models.total() == tally.answered


def test_the_model_that_is_named_reads_all_of_it():
    tally = measured(AsyncFakeFleet(), model="mine", clients=2)
    assert {name.partition("@")[0] for name in tally.models} == {"mine"}


def test_a_fleet_that_refuses_the_first_captcha_ends_the_run():
    fleet = AsyncFakeFleet()
    with fleet.overloaded(), pytest.raises(Overloaded):
        measured(fleet)


def test_a_model_for_captchas_of_another_kind_is_told_to_whoever_sends_the_samples(monkeypatch):
    def measure(_, tally, **__):
        tally.sent, tally.errors["WrongSize"] = 2, 2

    nobody = SimpleNamespace(look=lambda: SimpleNamespace(workers={}))
    monkeypatch.setattr("producer.bench.load.measure", measure)
    monkeypatch.setattr("producer.bench.run.Watch", lambda _: nullcontext(nobody))
    monkeypatch.setattr("producer.bench.run.sleep", lambda _: None)
    result = CliRunner().invoke(main, ["bench", "--model", "digits"])
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.endswith("name some that are: tilefleet bench DIR")
