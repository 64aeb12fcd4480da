"""The engine room without Celery: every job comes out once, with its own fate."""

from threading import Event

import pytest

from models.answer import Answer
from models.engines.null import NullEngine
from models.errors import BadImage, EngineError
from worker.job import Job
from worker.room import EngineRoom


class Request:
    """What the room asks of a request."""

    def __init__(self, dropped: bool = False) -> None:
        self._dropped = dropped

    def dropped(self) -> bool:
        return self._dropped


class Engine(NullEngine):
    """Reads bytes: b"bad" cannot be decoded, a batch with b"poison" breaks, b"wait" waits."""

    def __init__(self, max_batch: int = 8) -> None:
        super().__init__(max_batch=max_batch)
        self.go_on = Event()
        self.waiting = Event()
        self.sizes: list[int] = []

    def prepare(self, data):
        if data == b"bad":
            raise BadImage("bad")
        return data

    def read(self, batch):
        self.sizes.append(len(batch))
        if b"wait" in batch:
            self.waiting.set()
            self.go_on.wait(10)
        if b"poison" in batch:
            raise RuntimeError("no")
        return super().read(batch)


def run(engine: Engine, jobs: list[Job], *, before_the_rest: int = 0) -> list[Job]:
    """Submit jobs, the first few alone; wait for all."""
    done: list[Job] = []
    room = EngineRoom(engine, lanes=1, decoders=1, done=done.extend)
    room.start()
    for number, job in enumerate(jobs):
        if before_the_rest and number == before_the_rest:
            assert engine.waiting.wait(10)
        room.submit(job)
    if before_the_rest:
        # All others are decoded and wait by the time the lane is free again.
        while room.stats()["waiting"] < len(jobs) - before_the_rest:
            pass
    engine.go_on.set()
    room.close()
    return done


def jobs_of(*images: bytes) -> list[Job]:
    return [Job(data=image, request=Request()) for image in images]


def test_what_waits_while_a_pass_runs_shares_the_next_pass():
    engine = Engine()
    jobs = jobs_of(b"wait", b"a", b"b", b"c")
    done = run(engine, jobs, before_the_rest=1)
    assert engine.sizes == [1, 3]
    assert {id(job) for job in done} == {id(job) for job in jobs}
    assert [job.answer.timing.pass_size for job in jobs] == [1, 3, 3, 3]


def test_a_pass_is_never_larger_than_the_cap():
    engine = Engine(max_batch=2)
    run(engine, jobs_of(b"wait", *[b"x"] * 5), before_the_rest=1)
    assert engine.sizes == [1, 2, 2, 1]


def test_an_idle_captcha_is_read_alone():
    engine = Engine()
    (job,) = run(engine, jobs_of(b"a"))
    assert isinstance(job.answer, Answer)
    assert job.answer.timing.pass_size == 1


def test_a_bad_image_fails_alone():
    jobs = jobs_of(b"a", b"bad", b"b")
    run(Engine(), jobs)
    assert [type(job.error) for job in jobs] == [type(None), BadImage, type(None)]
    assert [job.answer is None for job in jobs] == [False, True, False]


@pytest.mark.parametrize("where", [0, 3, 6])
def test_a_captcha_that_breaks_its_pass_is_found_and_fails_alone(where):
    images = [b"x"] * 7
    images[where] = b"poison"
    jobs = jobs_of(b"wait", *images)
    run(Engine(), jobs, before_the_rest=1)
    failed = [number for number, job in enumerate(jobs[1:]) if job.error]
    assert failed == [where]
    assert isinstance(jobs[1 + where].error, EngineError)
    assert all(job.answer for job in jobs if not job.error)


def test_what_nobody_wants_any_more_costs_no_pass():
    engine = Engine()
    job = Job(data=b"a", request=Request(dropped=True))
    assert run(engine, [job]) == [job]
    assert engine.sizes == []
    assert job.answer is None
    assert job.error is None
