"""Several servers whose workers hold different models: each captcha goes where its model is."""

import asyncio

import pytest

from producer.client.retries import Retries
from producer.client.transport.shards import Shard, Shards
from producer.testing import AsyncFakeFleet
from producer.testing.script import Script
from producer.testing.transport import FakeTransport
from tilefleet.answer import Answer
from tilefleet.errors import UnknownModel

IMAGES = [b"captcha %d" % number for number in range(20)]


class Two(AsyncFakeFleet):
    """Two servers: one holds `builtin` and `left`, the other `builtin` and `right`."""

    def __init__(self, *, retry: bool) -> None:
        super().__init__()
        self.scripts = [Script(), Script()]
        self.scripts[0].hold("builtin", "left")
        self.scripts[1].hold("builtin", "right")
        self._retry = retry

    def _connect(self) -> Shards:
        lines = [FakeTransport(script, Retries.of(0)) for script in self.scripts]
        return Shards(
            [Shard(line, name) for line, name in zip(lines, "ab", strict=True)], retry=self._retry
        )


def solved(model: str, *, bulk: bool, retry: bool = True):
    async def run():
        async with Two(retry=retry) as fleet:
            found = fleet.outcomes(IMAGES, model=model, bulk=bulk)
            outcomes = [outcome async for _, outcome in found]
            return outcomes, [len(script.received) for script in fleet.scripts]

    return asyncio.run(run())


@pytest.mark.parametrize("bulk", [False, True])
def test_what_names_a_model_of_one_server_goes_there_whatever_its_bytes(bulk):
    outcomes, received = solved("right", bulk=bulk)
    assert all(isinstance(outcome, Answer) for outcome in outcomes)
    assert received == [0, len(IMAGES)]


@pytest.mark.parametrize("bulk", [False, True])
def test_what_all_hold_is_shared_as_ever(bulk):
    _, received = solved("builtin", bulk=bulk)
    assert sum(received) == len(IMAGES)
    assert all(received)


@pytest.mark.parametrize("bulk", [False, True])
def test_what_none_holds_is_refused_with_the_names_of_all(bulk):
    outcomes, received = solved("middle", bulk=bulk)
    assert {outcome.held for outcome in outcomes} == {("builtin", "left", "right")}
    assert received == [0, 0]


def test_where_no_other_server_is_asked_each_speaks_for_itself():
    outcomes, received = solved("left", bulk=False, retry=False)
    refused = [outcome for outcome in outcomes if isinstance(outcome, UnknownModel)]
    assert received == [len(IMAGES) - len(refused), 0]
    assert {outcome.held for outcome in refused} == {("builtin", "right")}


def test_one_that_is_submitted_goes_where_its_model_is_too():
    async def run() -> list[str]:
        async with Two(retry=True) as fleet:
            pending = [await fleet.submit(image, model="left") for image in IMAGES]
            answers = [await each.result(5) for each in pending]
            with pytest.raises(UnknownModel, match="builtin, left, right"):
                await fleet.submit(IMAGES[0], model="middle")
            return [answer.model.partition("@")[0] for answer in answers]

    assert set(asyncio.run(run())) == {"left"}
