"""How requests end, without Celery: what is acknowledged, told, counted, and what goes back."""

import logging
from concurrent.futures import Future
from types import SimpleNamespace

import pytest
from celery import signals
from celery.backends.redis import RedisBackend
from celery.exceptions import TaskRevokedError
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.support.included.jobs import job
from tests.support.running.fleet import wait_until
from tilefleet.errors import EngineError, NotAnImage
from worker.engine_room.job import Delivery, Outcome
from worker.hub.conclusion import Conclusion
from worker.hub.inbox import Inbox
from worker.hub.waker import Waker

ANSWERED = Outcome(result={"picks": [1]})
FAILED = Outcome(error=NotAnImage("0 bytes"))


def fails(*_: object, **options: object) -> None:
    raise RuntimeError("no")


class Backend(RedisBackend):
    """Notes which tasks failed, unless it is away."""

    def __init__(self) -> None:
        self.failed: dict[str, Exception] = {}
        self.is_away = False

    def mark_as_failure(self, task_id, error, **options) -> None:
        if self.is_away:
            raise RedisConnectionError("away")
        self.failed[task_id] = error


class Teller:
    """Notes what monitors are told, and with which fields."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, dict]] = []

    def tell_all(self, type, told, fields) -> None:
        self.told += [(type, id, dict(fields(about, 100.0))) for id, about in told]


class Request:
    """What is done with one, in the order in which it is done."""

    acknowledged = False
    alone = True
    digest = None
    time_start: float | None = None
    task = SimpleNamespace(describe=lambda result: f"shown {result}")

    def __init__(self, id: str = "one", *, teller=None, is_revoked: bool = False) -> None:
        self.id = id
        self.teller = teller
        self.done: list[object] = []
        self.request_dict: dict[str, object] = {}
        self._is_revoked = is_revoked
        #: What its way through the worker's pool gives, or raises.
        self.executed: object = None

    def accept(self, pid, time_accepted) -> bool:
        self.time_start = 99.0
        self.done.append("accepted")
        return True

    def ready(self, *, successful=False) -> None:
        self.done.append("successful" if successful else "ready")

    def acknowledge_here(self) -> None:
        self.acknowledged = True
        self.done.append("acknowledged")

    def reject(self, *, requeue) -> None:
        assert requeue
        self.done.append("back")

    def revoked(self) -> bool:
        return self._is_revoked

    def forget(self) -> None:
        self.done.append("forgotten")

    def send_event(self, type, **fields) -> None:
        self.done.append((type, fields.get("exception")))

    def execute_using_pool(self, pool):
        self.done.append("executed")
        if isinstance(self.executed, Exception):
            raise self.executed
        return self.executed


class Executing:
    """What the worker's pool of threads gives of a request."""

    def __init__(self) -> None:
        self.f: Future = Future()
        self.waited: list[float] = []

    def wait(self, timeout: float) -> None:
        self.waited.append(timeout)


@pytest.fixture
def backend() -> Backend:
    return Backend()


@pytest.fixture
def inbox():
    waker = Waker()
    yield Inbox(waker)
    for end in (waker._reader, waker._writer):
        end.close()


@pytest.fixture
def conclusion(backend, inbox) -> Conclusion:
    worker = SimpleNamespace(app=SimpleNamespace(backend=backend), pool=None)
    return Conclusion(worker, inbox)


def delivery(request: Request, outcome: Outcome = ANSWERED) -> Delivery:
    return Delivery(request, jobs=[job(b"image")], outcome=outcome, begun=99.0)


def test_an_answer_is_acknowledged_once_it_is_not_active_any_more_and_then_told(conclusion):
    teller = Teller()
    request = Request(teller=teller)
    conclusion.claimed = 2
    ended = delivery(request)
    conclusion.accept([ended])
    conclusion.conclude([ended])
    assert request.done == ["accepted", "successful", "acknowledged", "forgotten"]
    shown = f"shown {ANSWERED.result}"
    assert teller.told == [
        ("task-started", "one", {}),
        ("task-succeeded", "one", {"result": shown, "runtime": 1.0}),
    ]
    assert conclusion.claimed == 1


def test_one_that_is_stored_is_told_as_it_was_described_then_whoever_listens_since(conclusion):
    teller = Teller()
    request = Request(teller=teller)
    request.alone = False
    ended = delivery(request)
    ended.shown = "described"
    ended.let_go()
    conclusion.conclude([ended])
    assert "acknowledged" in request.done
    assert ("task-succeeded", "one", {"result": "described", "runtime": 1.0}) in teller.told


def test_what_no_pass_began_with_is_told_to_have_started_all_the_same(conclusion):
    request = Request()
    conclusion.conclude([delivery(request)])
    assert request.done[:2] == ["accepted", ("task-started", None)]


def test_a_concluded_delivery_keeps_no_image(conclusion):
    ended = delivery(Request())
    conclusion.conclude([ended])
    assert ended.jobs == []


def test_an_error_is_acknowledged_too_and_told_with_its_text_and_to_who_asked(conclusion):
    heard: list[tuple[Request, Exception]] = []
    conclusion.failed = lambda *failed: heard.append(failed)
    request = Request()
    ended = delivery(request, FAILED)
    conclusion.conclude([ended])
    assert request.done[2:] == [
        "ready",
        "acknowledged",
        ("task-failed", repr(FAILED.error)),
        "forgotten",
    ]
    assert heard == [(request, FAILED.error)]


def test_of_a_list_each_captcha_that_failed_is_told_to_who_asked(conclusion):
    heard: list[tuple[Request, Exception]] = []
    conclusion.failed = lambda *failed: heard.append(failed)
    listed = delivery(Request(), Outcome(result=[]))
    listed.many = True
    listed.jobs = [job(b"one"), job(b"two"), job(b"three")]
    listed.jobs[1].error = listed.jobs[2].error = FAILED.error
    conclusion.conclude([listed])
    assert heard == [(listed.request, FAILED.error)] * 2


@pytest.mark.parametrize(("is_revoked", "then"), [(True, []), (False, ["back"])])
def test_what_was_not_read_goes_back_unless_it_is_revoked(conclusion, is_revoked, then):
    request = Request(is_revoked=is_revoked)
    conclusion.claimed = 1
    conclusion.conclude([delivery(request, Outcome())])
    assert request.done == [*then, "forgotten"]
    assert conclusion.claimed == 0


def test_what_asks_for_more_than_its_result_is_executed_with_its_outcome(conclusion):
    request = Request()
    request.alone = False
    conclusion.conclude([delivery(request)])
    assert request.done[2:] == ["executed"]
    assert request.request_dict["outcome"] == ANSWERED


def test_while_somebody_listens_to_tasks_each_is_executed(conclusion):
    assert conclusion.only_answers

    def listens(**_: object) -> None:
        """To every task."""

    signals.task_postrun.connect(listens)
    try:
        assert not conclusion.only_answers
        request = Request()
        conclusion.conclude([delivery(request)])
    finally:
        signals.task_postrun.disconnect(listens)
    assert request.done[2:] == ["executed"]


def test_one_that_is_revoked_as_it_is_executed_is_celerys(conclusion, backend):
    request = Request()
    request.alone, request.executed = False, TaskRevokedError("expired")
    conclusion.conclude([delivery(request)])
    assert request.done[2:] == ["executed"]
    assert not backend.failed


def test_one_whose_execution_fails_is_given_up_on_the_hub_thread(conclusion, inbox, backend):
    request = Request()
    request.alone, request.executed = False, Executing()
    conclusion.conclude([delivery(request)])
    request.executed.f.set_exception(RuntimeError("no such chord"))
    assert not backend.failed
    wait_until(lambda: len(inbox), 5)
    inbox.go_through()
    assert "no such chord" in str(backend.failed["one"])
    assert request.acknowledged


def test_those_that_are_executing_are_waited_for(conclusion):
    running, ended = Request(), Request()
    for each in (running, ended):
        each.alone, each.executed = False, Executing()
        conclusion.conclude([delivery(each)])
    ended.executed.f.set_result(None)
    conclusion.wait_for_executing(0.0)
    assert running.executed.waited == [0.0]
    assert ended.executed.waited == []


def test_one_that_cannot_be_concluded_fails_alone(conclusion, backend):
    broken, other = Request("broken"), Request("other")
    broken.ready = lambda *, successful=False: fails() if successful else None
    conclusion.claimed = 2
    conclusion.conclude([delivery(broken), delivery(other)])
    assert isinstance(backend.failed["broken"], EngineError)
    assert "acknowledged" in broken.done
    assert other.done[-2:] == ["acknowledged", "forgotten"]
    assert conclusion.claimed == 0


def test_one_that_cannot_be_announced_keeps_no_other_from_it(conclusion):
    teller = Teller()
    broken, other = Request("broken", teller=teller), Request("other", teller=teller)
    broken.accept = fails
    conclusion.accept([delivery(broken), delivery(other)])
    assert teller.told == [("task-started", "other", {})]


def test_a_second_pass_with_one_of_its_captchas_is_not_told(conclusion):
    teller = Teller()
    ended = delivery(Request(teller=teller))
    conclusion.accept([ended])
    conclusion.accept([ended])
    assert len(teller.told) == 1


def test_what_is_given_up_goes_back_while_its_failure_cannot_be_stored(conclusion, backend):
    backend.is_away = True
    request = Request()
    conclusion.give_up(delivery(request), RuntimeError("no"))
    assert request.done == ["ready", "back"]
    assert not request.acknowledged


def test_what_is_acknowledged_already_is_given_up_without_a_second_result(
    conclusion, backend, caplog
):
    request = Request()
    request.acknowledged = True
    with caplog.at_level(logging.ERROR):
        conclusion.give_up(delivery(request), RuntimeError("no"))
    assert not backend.failed
    assert request.done == []
    assert "Concluding" in caplog.text
