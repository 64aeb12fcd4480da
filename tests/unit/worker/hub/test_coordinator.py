"""The coordinator without Celery: where requests go from it, and what is counted of them."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from celery.backends.redis import RedisBackend

from tests.support.included.jobs import job
from tilefleet.errors import BadMessage, NotAnImage, UnknownModel
from worker.engine_room.job import Delivery, Outcome
from worker.hub.coordinator import Coordinator


class Backend(RedisBackend):
    """Notes which tasks failed."""

    def __init__(self) -> None:
        self.failed: list[str] = []

    def mark_as_failure(self, task_id, error, **options) -> None:
        self.failed.append(task_id)


class Held:
    """The models that a worker holds: one."""

    names = ("held",)

    def get(self, name: str) -> str | None:
        return name if name in self.names else None

    def bind(self, jobs, name: str) -> bool:
        for each in jobs:
            each.held = SimpleNamespace(name=name or "held")
        return True


class Room:
    """Takes jobs."""

    waiting = 0

    def __init__(self) -> None:
        self.submitted: list[bytes] = []
        self.bulk: list[bytes] = []
        #: How many came each time.
        self.together: list[int] = []
        self.held = Held()

    def submit(self, jobs, *, bulk: bool = False) -> None:
        (self.bulk if bulk else self.submitted).extend(job.data for job in jobs)
        self.together.append(len(jobs))


class Writer:
    """Notes what it is given: to write at once, or when it has time."""

    def __init__(self) -> None:
        self.written: list[Delivery] = []
        self.queued: list[Delivery] = []

    def write(self, deliveries) -> None:
        self.written += deliveries

    def put(self, deliveries) -> None:
        self.queued += deliveries


class Task:
    """Reads one argument; another one than bytes breaks it, none is refused."""

    many = False

    def images(self, args, kwargs):
        if args[0] is None:
            raise BadMessage("no image")
        if not isinstance(args[0], bytes):
            raise RuntimeError("no")
        return list(args)

    def describe(self, result):
        return f"shown {result}"


class Request:
    """What the coordinator asks of one."""

    task = Task()
    acknowledged = False
    alone = True
    digest = None

    def __init__(
        self, id: str, argument: object = b"image", lane: str = "captcha", **delivered: object
    ) -> None:
        self.id, self.args, self.kwargs = id, [argument], {}
        self.delivery_info = {"routing_key": lane, **delivered}
        self.events: list[str] = []
        self.is_back = False

    def ready(self) -> None:
        """Celery's state is not looked at here."""

    def acknowledge_here(self) -> None:
        self.acknowledged = True

    def reject(self, *, requeue: bool) -> None:
        self.is_back = requeue

    def send_event(self, type: str, **fields) -> None:
        self.events.append(type)


@pytest.fixture
def backend() -> Backend:
    return Backend()


@pytest.fixture
def room() -> Room:
    return Room()


@pytest.fixture
def writer() -> Writer:
    return Writer()


@pytest.fixture
def suspects() -> list[Delivery]:
    return []


@pytest.fixture
def coordinator(backend, room, writer, suspects) -> Iterator[Coordinator]:
    lanes = {"captcha", "captcha.bulk", "captcha@held"}
    queues = SimpleNamespace(consume_from=lanes)
    app = SimpleNamespace(backend=backend, amqp=SimpleNamespace(queues=queues))
    made = Coordinator(SimpleNamespace(app=app))
    made.open(room, writer, SimpleNamespace(put=suspects.append))
    yield made
    for end in (made.waker._reader, made.waker._writer):
        end.close()


def deliver(*outcomes: object, many: bool = False) -> Delivery:
    """One whose captchas have these answers or errors; None: nobody wants it."""
    made = Delivery(Request("one"), many=many, open=len(outcomes))
    for each in outcomes:
        it = job(None)
        it.delivery, it.held = made, SimpleNamespace(name="held")
        if isinstance(each, Exception):
            it.error = each
        elif each is not None:
            it.answer = SimpleNamespace(encode=lambda each=each: each)
        made.jobs.append(it)
    return made


def test_a_request_that_breaks_admission_fails_alone_and_is_not_waited_for(
    coordinator, backend, room
):
    broken, other = Request("broken", 1), Request("other", b"image")
    coordinator.admit_all([broken, other])
    assert room.submitted == [b"image"]
    assert coordinator.claimed == 1
    assert backend.failed == ["broken"]
    assert broken.acknowledged
    assert broken.events == ["task-failed"]
    assert not other.acknowledged


def test_what_nobody_waits_for_is_told_from_what_somebody_does(coordinator, room):
    coordinator.admit_all([Request("one", b"first"), Request("two", b"later", "captcha.bulk")])
    assert (room.submitted, room.bulk) == ([b"first"], [b"later"])


def test_what_is_admitted_goes_on_together_but_not_later_than_the_next_turn(coordinator, room):
    for number in range(17):
        coordinator.admit(Request(str(number)))
    assert room.together == [16]
    coordinator.turn()
    assert room.together == [16, 1]


def test_a_message_that_is_refused_has_its_error_stored_and_is_read_by_nobody(
    coordinator, room, writer
):
    coordinator.admit(Request("refused", None))
    coordinator.turn()
    assert room.together == []
    (stored,) = writer.queued
    assert isinstance(stored.outcome.error, BadMessage)
    assert coordinator.errors == {"BadMessage": 1}


def test_a_captcha_of_a_model_that_is_held_no_more_goes_back_for_whoever_holds_it(
    coordinator, room, writer
):
    request = Request("one", lane="captcha@gone")
    coordinator.admit_all([request])
    assert request.is_back
    assert coordinator.claimed == 0
    assert (room.together, writer.queued) == ([], [])


@pytest.mark.parametrize(
    "request_",
    [
        Request("one", lane="captcha@gone", redelivered=True),
        Request("one", lane="captcha@lost"),
    ],
    ids=["came back", "its lane is read"],
)
def test_but_it_fails_where_it_would_go_back_for_ever(coordinator, writer, suspects, request_):
    coordinator._worker.app.amqp.queues.consume_from.add("captcha@lost")
    coordinator.admit_all([request_])
    for each in suspects:
        # Not answered yet by another worker.
        coordinator.refused(each)
    (stored,) = writer.queued
    assert isinstance(stored.outcome.error, UnknownModel)
    assert not request_.is_back


@pytest.mark.parametrize("argument", [b"image", None], ids=["an image", "nothing to read"])
def test_what_came_back_is_looked_at_on_its_own(coordinator, room, writer, suspects, argument):
    coordinator.admit_all([Request("one", argument, redelivered=True)])
    assert (room.together, writer.queued) == ([], [])
    assert [each.request.id for each in suspects] == ["one"]


def test_what_is_refused_and_was_answered_before_is_only_concluded(coordinator, writer, suspects):
    coordinator.admit(Request("one", None, redelivered=True))
    (back,) = suspects
    back.outcome = Outcome(result={"picks": [1]}, stored=True)
    concluded = []
    coordinator._conclusion.conclude = concluded.extend
    coordinator.refused(back)
    coordinator.announce()
    assert (concluded, writer.queued, coordinator.errors) == ([back], [], {})


def test_a_list_is_stored_with_the_last_of_its_captchas(coordinator, writer):
    made = deliver({"picks": [1]}, {"picks": [2]}, many=True)
    coordinator.read(made.jobs[:1])
    assert writer.written == []
    coordinator.read(made.jobs[1:])
    assert writer.written == [made]
    assert made.outcome.result == [{"picks": [1]}, {"picks": [2]}]
    assert made.shown == f"shown {made.outcome.result}"


def test_while_more_waits_a_lane_leaves_the_writing_to_the_writer(coordinator, room, writer):
    room.waiting = 1
    made = deliver({"picks": [1]})
    coordinator.read(made.jobs)
    assert (writer.written, writer.queued) == ([], [made])


def test_each_captcha_is_counted_by_what_became_of_it_and_its_model(coordinator):
    made = deliver({"picks": [1]}, NotAnImage("0 bytes"), None, many=True)
    coordinator.read(made.jobs)
    assert (coordinator.answered, coordinator.dropped) == (1, 1)
    assert coordinator.errors == {"NotAnImage": 1}
    assert coordinator.outcomes == {
        ("held", "answered"): 1,
        ("held", "NotAnImage"): 1,
        ("held", "dropped"): 1,
    }
    # Of a list that somebody has revoked meanwhile nobody wants a part.
    assert made.outcome.dropped


@pytest.mark.parametrize("stored", [False, True])
def test_what_nobody_wants_and_what_is_stored_already_is_only_concluded(
    coordinator, writer, stored
):
    made = deliver(None)
    if stored:
        made.outcome = Outcome(result={"picks": [1]}, stored=True)
    concluded = []
    coordinator._conclusion.conclude = concluded.extend
    coordinator.read(made.jobs)
    assert (writer.written, writer.queued) == ([], [])
    coordinator.announce()
    assert concluded == [made]
    assert made.outcome.stored == stored
    # Another worker has counted what it stored.
    assert coordinator.dropped == (not stored)


def test_what_another_thread_leaves_wakes_the_hub_and_one_failure_ends_no_other(coordinator):
    done = []

    def fails() -> None:
        raise RuntimeError("no")

    coordinator.on_hub(fails)
    coordinator.on_hub(lambda: done.append(1))
    assert coordinator.waker.wait(0)
    coordinator.turn()
    assert done == [1]
    assert not coordinator.waker.wait(0)
