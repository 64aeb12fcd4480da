"""The writer: every reply is checked, and what was not written is tried again, with the others."""

import json
from datetime import UTC, datetime
from threading import Event, current_thread
from types import SimpleNamespace

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from tests.support.running.fleet import wait_until
from tilefleet.errors import NotAnImage
from worker.engine_room.job import Delivery, Outcome
from worker.results import writer as module
from worker.results.writer import Writer


class Store:
    """A server that says what it is told to, and keeps what it was given."""

    def __init__(self) -> None:
        self.written: dict[str, object] = {}
        self.published: dict[str, object] = {}
        #: What the next pipelines do: an error for the whole, or errors by key.
        self.plan: list[Exception | dict[str, Exception]] = []
        self.sizes: list[int] = []
        #: Seconds for which they are stored at first.
        self.kept: dict[str, int] = {}
        #: Seconds for which keys are stored from their next look on.
        self.expiring: dict[str, int] = {}
        #: Results that nobody hears.
        self.unheard: set[str] = set()

    def exchange(self, client, commands):
        assert client is self
        trouble = self.plan.pop(0) if self.plan else {}
        if isinstance(trouble, Exception):
            raise trouble
        self.sizes.append(len(commands) // 2)
        replies = []
        for command, key, value, *until in commands:
            if command == "EXPIRE":
                self.expiring[key] = value
                replies.append(1)
                continue
            if key in trouble:
                replies.append(trouble[key])
                continue
            (self.written if command == "SET" else self.published)[key] = value
            if until:
                assert until[0] == "EX"
                self.kept[key] = until[1]
            replies.append(0 if key in self.unheard else 1)
        return replies


class Backend:
    """As much of Celery's backend for Redis as a writer uses."""

    serializer = "json"
    expires, failure_expires = 300, 60

    def __init__(self, store: Store, *, extended: bool = True) -> None:
        self.client = store
        conf = SimpleNamespace(result_extended=extended)
        self.app = SimpleNamespace(conf=conf, now=lambda: datetime.now(UTC))

    def get_key_for_task(self, task_id):
        return task_id

    def prepare_exception(self, error):
        return repr(error)

    def encode(self, meta):
        if meta["result"] == "not to be encoded":
            raise TypeError("no JSON")
        return meta

    def _get_result_meta(self, **fields):
        return {name: fields[name] for name in ("result", "state", "traceback")}


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def written(store, monkeypatch):
    """A writer that runs, and the deliveries that it says are stored."""
    monkeypatch.setattr(module, "_FIRST_PAUSE_S", 0.01)
    stored: list[Delivery] = []
    writer = Writer(Backend(store), stored=stored.extend, exchange=store.exchange)
    writer.start()
    yield SimpleNamespace(writer=writer, stored=stored)
    writer.close()


def delivery(task_id: str, result: object = "answer", **options) -> Delivery:
    request = SimpleNamespace(id=task_id, ignore_result=False, _context=None)
    outcome = options.pop("outcome", Outcome(result=result))
    return Delivery(request, outcome=outcome, **options)


def ids(deliveries) -> list[str]:
    return [each.request.id for each in deliveries]


def test_a_result_is_stored_and_published_and_only_then_told(store, written):
    written.writer.put([delivery("1"), delivery("2", outcome=Outcome(error=NotAnImage("no")))])
    wait_until(lambda: len(written.stored) == 2)
    assert store.written == store.published
    assert store.written["1"]["state"] == "SUCCESS"
    assert store.written["2"] == {
        "task_id": "2",
        "state": "FAILURE",
        "result": "NotAnImage('no')",
        "traceback": "NotAnImage('no')",
    }


def test_a_result_that_is_described_is_let_go_once_it_is_encoded(store, written):
    described, other = delivery("1", shown="an answer"), delivery("2")
    written.writer.put([described, other])
    wait_until(lambda: len(written.stored) == 2)
    assert described.outcome.result != "answer"
    assert not described.outcome.dropped
    assert other.outcome.result == "answer"
    assert store.written["1"]["result"] == "answer"


def test_what_comes_together_is_one_pipeline(store, written):
    written.writer.put([delivery(str(number)) for number in range(100)])
    wait_until(lambda: len(written.stored) == 100)
    assert store.sizes == [100]
    assert ids(written.stored) == [str(number) for number in range(100)]


def test_a_store_that_is_away_is_tried_until_it_is_there(store, written):
    store.plan = [RedisConnectionError("away"), OSError("away")]
    written.writer.put([delivery("1"), delivery("2")])
    wait_until(lambda: len(written.stored) == 2)
    assert store.sizes == [2]
    assert store.written.keys() == {"1", "2"}


def test_an_idle_thread_writes_by_itself(store, written):
    told: list[str] = []
    writer = Writer(
        Backend(store),
        stored=lambda _: told.append(current_thread().name),
        exchange=store.exchange,
    )
    writer.write([delivery("1")])
    assert told == [current_thread().name]
    assert store.written.keys() == {"1"}


def test_what_an_idle_thread_cannot_write_the_writer_tries_again(store, written):
    store.plan = [RedisConnectionError("away"), RedisConnectionError("away")]
    written.writer.write([delivery("1")])
    # While the store is in trouble nobody else waits for it.
    written.writer.write([delivery("2")])
    wait_until(lambda: len(written.stored) == 2)
    assert store.written.keys() == {"1", "2"}


def test_a_result_that_was_heard_is_kept_for_the_time_that_is_wanted(store):
    stored: list[Delivery] = []
    writer = Writer(Backend(store), stored=stored.extend, heard_s=10, exchange=store.exchange)
    store.unheard = {"2"}
    writer.write([delivery("1"), delivery("2")])
    assert store.expiring == {}
    store.plan = [RedisConnectionError("away")]
    for each in ("3", "4"):
        writer.write([delivery(each)])
        # What could not be written is tried again by the writer's own thread.
    writer.start()
    writer.close()
    assert store.expiring == {"1": 10}
    assert ids(stored) == ["1", "2", "3", "4"]


def test_answers_and_errors_are_kept_for_their_own_times(store, written):
    written.writer.put([delivery("1"), delivery("2", outcome=Outcome(error=NotAnImage("no")))])
    wait_until(lambda: len(written.stored) == 2)
    assert store.kept == {"1": 300, "2": 60}


def test_one_of_a_group_is_written_by_celerys_backend_and_one_with_a_parent_names_it(store):
    writer = Writer(Backend(store, extended=False), stored=list, exchange=store.exchange)
    for task_id, group, parent in (("1", None, None), ("2", None, "p"), ("3", "g", None)):
        each = delivery(task_id)
        each.request.group, each.request.parent_id = group, parent
        writer.write([each])
    alone, with_parent = (json.loads(store.written[each]) for each in ("1", "2"))
    assert alone["task_id"] == "1"
    assert "parent_id" not in alone
    assert with_parent["parent_id"] == "p"
    # As the backend here makes it, which knows what groups need.
    assert store.written["3"]["state"] == "SUCCESS"


def test_a_thread_that_is_idle_goes_before_nothing_that_waits(store):
    writer = Writer(Backend(store), stored=list, exchange=store.exchange)
    writer.put([delivery("1")])
    writer.write([delivery("2")])
    assert store.sizes == []
    writer.start()
    writer.close()
    assert list(store.written) == ["1", "2"]


def test_once_a_write_has_failed_no_idle_thread_waits_for_the_store(store):
    writer = Writer(Backend(store), stored=list, exchange=store.exchange)
    store.plan = [RedisConnectionError("away")]
    writer.write([delivery("1")])
    # What failed was taken up, and has not been tried again.
    assert ids(writer._batcher.take(10)) == ["1"]
    writer.write([delivery("2")])
    assert store.sizes == []
    writer.start()
    writer.close()
    assert list(store.written) == ["2"]


def test_a_store_that_stays_away_is_asked_ever_more_seldom(store, monkeypatch):
    pauses: list[float] = []

    class Stopping(Event):
        def wait(self, timeout=None):
            pauses.append(timeout)
            return False

    monkeypatch.setattr(module, "Event", Stopping)
    store.plan = [RedisConnectionError("away")] * 8
    writer = Writer(Backend(store), stored=list, exchange=store.exchange)
    writer.put([delivery("1")])
    writer.start()
    writer.close()
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert list(store.written) == ["1"]


def test_one_that_is_refused_keeps_no_other_and_is_tried_again(store, written):
    store.plan = [{"2": ResponseError("OOM")}]
    written.writer.put([delivery("1"), delivery("2"), delivery("3")])
    wait_until(lambda: len(written.stored) == 3)
    assert ids(written.stored) == ["1", "3", "2"]
    assert store.sizes == [3, 1]


def test_what_cannot_be_encoded_becomes_an_error_which_its_sender_is_told(store, written):
    written.writer.put([delivery("1", "not to be encoded"), delivery("2")])
    wait_until(lambda: len(written.stored) == 2)
    (bad,) = [each for each in written.stored if each.request.id == "1"]
    assert "no result can be stored: TypeError: no JSON" in str(bad.outcome.error)
    assert store.written.keys() == {"1", "2"}
    assert store.written["1"]["state"] == "FAILURE"
    assert "no result can be stored" in store.written["1"]["result"]


def test_a_result_that_nobody_wants_is_not_written(store, written):
    unwanted = delivery("1")
    unwanted.request.ignore_result = True
    written.writer.put([unwanted])
    wait_until(lambda: written.stored)
    assert store.written == {}


def test_closing_writes_what_waits_and_does_not_wait_for_a_store_that_is_away(store):
    stored: list[Delivery] = []
    writer = Writer(Backend(store), stored=stored.extend, exchange=store.exchange)
    store.plan = [RedisConnectionError("away")] * 2
    writer.put([delivery("lost")])
    writer.start()
    writer.close()
    assert stored == []
    again = Writer(Backend(store), stored=stored.extend, exchange=store.exchange)
    store.plan = []
    again.put([delivery("kept")])
    again.start()
    again.close()
    assert ids(stored) == ["kept"]
