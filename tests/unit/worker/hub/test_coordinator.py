"""The coordinator without Celery: what it cannot take in is not claimed for ever."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from worker.hub.coordinator import Coordinator


class Backend:
    """Notes which tasks failed."""

    def __init__(self) -> None:
        self.failed: list[str] = []

    def mark_as_failure(self, task_id, error, **options) -> None:
        self.failed.append(task_id)


class Room:
    """Takes jobs, and holds no model."""

    def __init__(self) -> None:
        self.submitted: list[bytes] = []
        self.held = SimpleNamespace(bind=lambda jobs, name: True)

    def submit(self, jobs, *, bulk: bool = False) -> None:
        self.submitted += [job.data for job in jobs]


class Task:
    """Reads one argument; another one than bytes breaks it."""

    many = False

    def images(self, args, kwargs):
        if not isinstance(args[0], bytes):
            raise RuntimeError("no")
        return list(args)


class Request:
    """What the coordinator asks of one."""

    task = Task()
    acknowledged = False
    digest = None

    def __init__(self, id: str, argument: object) -> None:
        self.id, self.args, self.kwargs = id, [argument], {}
        self.delivery_info = {"routing_key": "captcha"}
        self.events: list[str] = []

    def ready(self) -> None:
        """Celery's state is not looked at here."""

    def acknowledge_here(self) -> None:
        self.acknowledged = True

    def send_event(self, type: str, **fields) -> None:
        self.events.append(type)


@pytest.fixture
def backend() -> Backend:
    return Backend()


@pytest.fixture
def coordinator(backend) -> Iterator[Coordinator]:
    made = Coordinator(SimpleNamespace(app=SimpleNamespace(backend=backend)))
    yield made
    for end in (made.waker._reader, made.waker._writer):
        end.close()


def test_a_request_that_breaks_admission_fails_alone_and_is_not_waited_for(coordinator, backend):
    room = Room()
    coordinator.open(room, writer=None, quarantine=None)
    broken, other = Request("broken", 1), Request("other", b"image")
    coordinator.admit_all([broken, other])
    assert room.submitted == [b"image"]
    assert coordinator.claimed == 1
    assert backend.failed == ["broken"]
    assert broken.acknowledged
    assert broken.events == ["task-failed"]
    assert not other.acknowledged
