"""Captchas that come back from a worker that is gone: answered already, read alone, or given up."""

from collections import defaultdict
from types import SimpleNamespace

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.support.included.jobs import job
from tests.support.running.fleet import wait_until
from tilefleet.errors import GivenUp, NotAnImage
from worker.engine_room.job import Delivery
from worker.results import quarantine
from worker.results.quarantine import Quarantine


class Store:
    """What is stored, how often what was tried, and for how long; it may be away."""

    def __init__(self) -> None:
        self.results: dict[str, dict] = {}
        self.tried: defaultdict[str, set[object]] = defaultdict(set)
        self.expiring: dict[str, int] = {}
        self.asked: list[tuple] = []
        #: How many pipelines fail from now on, and of how many after that the replies are lost.
        self.away = self.losing = 0

    def pipeline(self, *, transaction: bool) -> "Pipeline":
        return Pipeline(self)


class Pipeline:
    def __init__(self, store: Store) -> None:
        self._store, self._calls = store, []

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        """Nothing is open."""

    def _do(self, *call) -> "Pipeline":
        self._calls.append(call)
        return self

    def get(self, key):
        return self._do("get", key)

    def sadd(self, key, member):
        return self._do("sadd", key, member)

    def smembers(self, key):
        return self._do("smembers", key)

    def expire(self, key, seconds):
        return self._do("expire", key, seconds)

    def delete(self, key):
        return self._do("delete", key)

    def execute(self) -> list:
        store = self._store
        if store.away:
            store.away -= 1
            raise RedisConnectionError("away")
        replies = [self._answer(*each) for each in self._calls]
        if store.losing:
            store.losing -= 1
            raise RedisConnectionError("lost")
        return replies

    def _answer(self, command, key, *rest):
        store = self._store
        store.asked.append((command, key))
        if command == "get":
            return store.results.get(key)
        if command == "sadd":
            store.tried[key].update(rest)
        if command == "smembers":
            return set(store.tried[key])
        if command == "expire":
            (store.expiring[key],) = rest
        if command == "delete":
            store.tried.pop(key, None)
        return 1


class Room:
    """Reads alone, and says what models it let go."""

    def __init__(self) -> None:
        self.read: list[object] = []
        self.released: list[object] = []
        self.held = SimpleNamespace(release=lambda jobs: self.released.extend(jobs))
        self.breaks = False

    def read_alone(self, each) -> None:
        if self.breaks:
            raise RuntimeError("a mistake of ours")
        self.read.append(each.data)
        each.answer = SimpleNamespace(encode=lambda: {"picks": [1]})


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def room() -> Room:
    return Room()


@pytest.fixture
def tried(store, room, monkeypatch):
    """What becomes of one delivery, on the thread of the quarantine."""
    monkeypatch.setattr(quarantine, "_PAUSE_S", 0.01)
    backend = SimpleNamespace(
        client=store, get_key_for_task=lambda id: f"result of {id}", decode_result=lambda meta: meta
    )
    done: list[object] = []
    refused: list[Delivery] = []
    made = Quarantine(
        room,
        backend,
        done=done.extend,
        refused=refused.append,
        has_result=lambda delivery: delivery.request.alone,
        key_prefix="a:",
    )
    made.start()

    def one(delivery: Delivery) -> Delivery:
        made.put(delivery)
        if not delivery.jobs:
            wait_until(lambda: delivery in refused)
        wait_until(lambda: set(map(id, delivery.jobs)) <= set(map(id, room.released)))
        assert all(each in done for each in delivery.jobs)
        return delivery

    one.quarantine = made
    yield one
    made.close()


def deliver(*images: bytes, alone: bool = True, wanted: bool = True) -> Delivery:
    request = SimpleNamespace(id="one", alone=alone, dropped=lambda: not wanted)
    made = Delivery(request, many=len(images) > 1)
    for image in images:
        each = job(image)
        each.delivery = made
        each.held = SimpleNamespace(coalescer=SimpleNamespace(part=lambda jobs: list(jobs)))
        made.jobs.append(each)
    return made


def test_it_is_counted_before_it_is_read_and_not_any_more_after_it(tried, store, room):
    tried(deliver(b"image"))
    key = "a:tilefleet-attempts-of-one:0"
    calls = ["sadd", "expire", "smembers", "delete"]
    assert store.asked[-4:] == [(each, key) for each in calls]
    assert store.expiring == {key: 3600}
    assert room.read == [b"image"]
    assert store.tried == {}
    assert tried.quarantine.counts == {
        "came_back": 1,
        "were_answered": 0,
        "read_alone": 1,
        "given_up": 0,
    }


@pytest.mark.parametrize(("lost", "is_read"), [(1, True), (2, False)])
def test_one_that_two_have_been_lost_with_while_it_was_alone_is_given_up(
    tried, store, room, lost, is_read
):
    store.tried["a:tilefleet-attempts-of-one:0"] = {*range(lost)}
    (each,) = tried(deliver(b"image")).jobs
    assert bool(room.read) is is_read
    assert isinstance(each.error, GivenUp) is not is_read
    assert tried.quarantine.counts["given_up"] == (not is_read)


def test_the_captchas_of_a_list_are_blamed_each_for_itself(tried, store, room):
    store.tried["a:tilefleet-attempts-of-one:1"] = {*range(2)}
    given_up = tried(deliver(b"first", b"second", b"third"))
    assert room.read == [b"first", b"third"]
    assert [type(each.error) for each in given_up.jobs] == [type(None), GivenUp, type(None)]


def test_what_is_answered_already_is_not_read_again(tried, store, room):
    store.results["result of one"] = {"status": "SUCCESS", "result": {"picks": [2]}}
    outcome = tried(deliver(b"image")).outcome
    assert (outcome.result, outcome.stored) == ({"picks": [2]}, True)
    assert room.read == []
    assert store.tried == {}


def test_nor_is_what_has_failed_already(tried, store, room):
    error = NotAnImage("0 bytes")
    store.results["result of one"] = {"status": "FAILURE", "result": error}
    outcome = tried(deliver(b"image")).outcome
    assert (outcome.error, outcome.stored) == (error, True)
    assert room.read == []


def test_nor_does_a_list_fail_whose_images_went_with_its_answer(tried, store):
    store.results["result of one"] = {"status": "SUCCESS", "result": [{"picks": [2]}]}
    outcome = tried(deliver()).outcome
    assert (outcome.result, outcome.stored) == ([{"picks": [2]}], True)
    # Another one fails where all do.
    assert tried(deliver(alone=False)).outcome.dropped


def test_a_stored_state_that_is_not_final_says_nothing(tried, store, room):
    store.results["result of one"] = {"status": "STARTED", "result": None}
    tried(deliver(b"image"))
    assert room.read == [b"image"]


def test_one_that_asks_for_more_than_its_result_is_read_again(tried, store, room):
    store.results["result of one"] = {"status": "SUCCESS", "result": {"picks": [2]}}
    tried(deliver(b"image", alone=False))
    assert room.read == [b"image"]


def test_what_nobody_wants_any_more_is_not_read(tried, room):
    tried(deliver(b"image", wanted=False))
    assert room.read == []


def test_a_store_that_is_away_for_a_while_is_waited_for(tried, store, room):
    store.away = 3
    tried(deliver(b"image"))
    assert room.read == [b"image"]


def test_one_whose_store_breaks_off_again_and_again_is_not_given_up_for_it(tried, store, room):
    store.losing = 5
    tried(deliver(b"image", b"another", alone=False))
    assert room.read == [b"image", b"another"]
    assert store.tried == {}


def test_a_worker_that_stops_does_not_wait_for_it_and_leaves_it_to_others(
    tried, store, room, caplog
):
    store.away = 1_000_000
    tried.quarantine._stopping.set()
    left = deliver(b"image")
    tried.quarantine.put(left)
    wait_until(lambda: "goes back" in caplog.text)
    assert (room.read, room.released) == ([], [])
    assert left.jobs[0].error is None


def test_a_mistake_of_ours_fails_one_and_the_next_is_read(tried, room):
    room.breaks = True
    (broken,) = tried(deliver(b"image")).jobs
    assert "a mistake of ours" in str(broken.error)
    room.breaks = False
    tried(deliver(b"next"))
    assert room.read == [b"next"]
