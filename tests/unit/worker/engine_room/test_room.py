"""The engine room without Celery: every job comes out once, with its own fate."""

from dataclasses import replace
from threading import Event, Thread, current_thread
from time import monotonic, sleep

import pytest

from models.engines.null import NullEngine
from models.recognition.image import TakesLong
from tests.support.running.fleet import wait_until
from tilefleet.answer import Answer
from tilefleet.errors import BadImage, EngineError
from worker.engine_room.decoding import share_of_cores
from worker.engine_room.job import Job
from worker.engine_room.room import EngineRoom


class Delivery:
    """What the room asks of a delivery."""

    def __init__(self, dropped: bool = False) -> None:
        self._dropped = dropped

    def dropped(self) -> bool:
        return self._dropped


def started(engines, done, *, decoders: int = 1, cores: int = 2, keep_s: float = 0.0) -> EngineRoom:
    """A room with one lane; `engines`: one, or several by the names of their models."""
    room = EngineRoom(
        engines if isinstance(engines, dict) else {"null": engines},
        sessions=1,
        decoders=decoders,
        started=list,
        done=done,
        keep_s=keep_s,
        cores=lambda: cores,
    )
    room.start()
    return room


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


def run(
    engine: Engine, jobs: list[Job], *, before_the_rest: int = 0, waiting: int | None = None
) -> list[Job]:
    """Submit jobs, the first few alone, the rest once these keep the lane; wait for all.

    `waiting`: how many of the rest will wait for a pass of their own; all, if not given.
    """
    done: list[Job] = []
    room = started(engine, done.extend)
    for number, job in enumerate(jobs):
        if before_the_rest and number == before_the_rest:
            assert engine.waiting.wait(10)
        room.submit([job])
    if before_the_rest:
        # All others are decoded, and wait or have joined, by the time the lane is free again.
        rest = len(jobs) - before_the_rest
        waiting = rest if waiting is None else waiting
        while (now := room.stats())["waiting"] < waiting or now["joined"] < rest - waiting:
            sleep(0.001)
    engine.go_on.set()
    room.close()
    return done


def jobs_of(*images: bytes) -> list[Job]:
    return [Job(data=image, delivery=Delivery()) for image in images]


def different(count: int) -> list[bytes]:
    return [b"image %d" % number for number in range(count)]


def test_what_waits_while_a_pass_runs_shares_the_next_pass():
    engine = Engine()
    jobs = jobs_of(b"wait", b"a", b"b", b"c")
    done = run(engine, jobs, before_the_rest=1)
    assert engine.sizes == [1, 3]
    assert {id(job) for job in done} == {id(job) for job in jobs}
    assert [job.answer.timing.pass_size for job in jobs] == [1, 3, 3, 3]


def test_a_pass_is_never_larger_than_the_cap():
    engine = Engine(max_batch=2)
    run(engine, jobs_of(b"wait", *different(5)), before_the_rest=1)
    assert engine.sizes == [1, 2, 2, 1]


@pytest.mark.parametrize(
    ("bulk", "others", "long_pass_s", "sizes"),
    [
        (False, 40, 60.0, [1, 32, 8]),
        (False, 20, 60.0, [1, 20]),
        # Whoever comes, and is waited for, does not wait for these.
        (True, 40, 60.0, [1, 8, 8, 8, 8, 8]),
        # A long pass would take long.
        (False, 40, 1e-6, [1, 8, 8, 8, 8, 8]),
    ],
)
def test_where_many_wait_passes_are_longer(monkeypatch, bulk, others, long_pass_s, sizes):
    monkeypatch.setattr("worker.engine_room.room._LONG_PASS_S", long_pass_s)
    engine = Engine()
    engine.long_batch = 32
    jobs = jobs_of(*different(others))
    for job in jobs:
        job.bulk = bulk
    handed_on(engine, jobs)
    assert engine.sizes == sizes


def test_an_idle_captcha_is_read_alone():
    engine = Engine()
    (job,) = run(engine, jobs_of(b"a"))
    assert isinstance(job.answer, Answer)
    assert job.answer.timing.pass_size == 1


class Named(Engine):
    """Notes which thread decodes."""

    def __init__(self) -> None:
        super().__init__()
        self.decoders: list[str] = []

    def prepare(self, data):
        self.decoders.append(current_thread().name)
        return super().prepare(data)


def test_an_idle_lane_decodes_what_it_reads_and_a_busy_one_has_it_decoded():
    engine, done = Named(), []
    room = started(engine, done.extend)
    wait_until(lambda: room._decoded._idle)
    jobs = jobs_of(b"wait", b"a", b"bad")
    room.submit(jobs[:1])
    assert engine.waiting.wait(10)
    room.submit(jobs[1:])
    wait_until(lambda: len(engine.decoders) == 3)
    engine.go_on.set()
    room.close()
    assert engine.decoders == ["session-1", "decoder-1", "decoder-1"]
    assert {id(job) for job in done} == {id(job) for job in jobs}


@pytest.mark.parametrize("image", [b"bad", None])
def test_whatever_an_idle_lane_is_given_to_decode_it_goes_on(image):
    engine, done = Named(), []
    room = started(engine, done.extend)
    jobs = [Job(data=image, delivery=Delivery()), *jobs_of(b"a")]
    for number, job in enumerate(jobs, 1):
        wait_until(lambda: room._decoded._idle)
        room.submit([job])
        wait_until(lambda number=number: len(done) == number)
    room.close()
    assert engine.decoders == ["session-1", "session-1"]
    assert done == jobs
    assert [type(job.error) for job in done] == [BadImage if image else type(None), type(None)]


def test_a_bad_image_fails_alone():
    jobs = jobs_of(b"a", b"bad", b"b")
    run(Engine(), jobs)
    assert [type(job.error) for job in jobs] == [type(None), BadImage, type(None)]
    assert [job.answer is None for job in jobs] == [False, True, False]


@pytest.mark.parametrize("where", [0, 3, 6])
def test_a_captcha_that_breaks_its_pass_is_found_and_fails_alone(where):
    images = different(7)
    images[where] = b"poison"
    jobs = jobs_of(b"wait", *images)
    run(Engine(), jobs, before_the_rest=1)
    failed = [number for number, job in enumerate(jobs[1:]) if job.error]
    assert failed == [where]
    assert isinstance(jobs[1 + where].error, EngineError)
    assert all(job.answer for job in jobs if not job.error)


def test_what_nobody_wants_any_more_costs_no_pass():
    engine = Engine()
    job = Job(data=b"a", delivery=Delivery(dropped=True))
    assert run(engine, [job]) == [job]
    assert engine.sizes == []
    assert job.answer is None
    assert job.error is None


def test_identical_captchas_in_flight_are_read_once_and_answered_to_all():
    engine = Engine()
    jobs = jobs_of(b"wait", b"a", b"b", b"a", b"a")
    done = run(engine, jobs, before_the_rest=1, waiting=2)
    assert engine.sizes == [1, 2]
    assert len(done) == 5
    assert all(job.answer for job in jobs)
    assert [job.answer.timing.pass_size for job in jobs[1:]] == [4] * 4


def test_identical_captchas_share_the_error_too():
    jobs = jobs_of(b"wait", b"poison", b"poison", b"a")
    run(Engine(), jobs, before_the_rest=1, waiting=2)
    assert [type(job.error) for job in jobs] == [type(None), EngineError, EngineError, type(None)]


def test_one_that_nobody_wants_is_read_for_those_that_joined_it():
    engine = Engine()
    unwanted = Job(data=b"a", delivery=Delivery(dropped=True))
    jobs = [*jobs_of(b"wait"), unwanted, *jobs_of(b"a")]
    done = run(engine, jobs, before_the_rest=1, waiting=1)
    assert len(done) == 3
    assert engine.sizes == [1, 1]
    assert unwanted.answer is None
    assert jobs[2].answer


def test_what_joined_and_is_not_wanted_any_more_gets_nothing():
    unwanted = Job(data=b"a", delivery=Delivery(dropped=True))
    jobs = [*jobs_of(b"wait", b"a"), unwanted]
    assert len(run(Engine(), jobs, before_the_rest=1, waiting=1)) == 3
    assert jobs[1].answer
    assert unwanted.answer is None


@pytest.mark.parametrize(("keep_s", "passes"), [(0, 3), (60, 1)])
def test_answers_are_kept_only_where_that_is_switched_on(keep_s, passes):
    engine = Engine()
    done: list[Job] = []
    room = started(engine, done.extend, keep_s=keep_s)
    for number in range(1, 4):
        room.submit(jobs_of(b"a"))
        deadline = monotonic() + 10
        while len(done) < number and monotonic() < deadline:
            sleep(0.001)
    room.close()
    assert len(engine.sizes) == passes
    assert room.stats()["kept_answers_used"] == 3 - passes
    assert all(job.answer for job in done)


class Searching(Engine):
    """In what begins with b"large" a captcha is looked for, until the test lets it be found."""

    def __init__(self) -> None:
        super().__init__()
        self.found = Event()
        self.searched: list[bytes] = []

    def prepare(self, data):
        if data.startswith(b"large"):
            self.searched.append(data)
            assert self.found.wait(10)
        return super().prepare(data.removeprefix(b"large "))

    def prepare_quickly(self, data):
        if data.startswith(b"large"):
            raise TakesLong
        return super().prepare(data)


@pytest.mark.parametrize("cores", [1, 2])
def test_nobody_waits_behind_large_pictures_that_are_searched_through(cores):
    engine, done = Searching(), []
    room = started(engine, done.extend, cores=cores)
    large = jobs_of(b"large a", b"large b", b"large c", b"large bad")
    small = jobs_of(*different(20))
    room.submit(large)
    for job in small:
        room.submit([job])
    wait_until(lambda: len(done) == 20)
    assert {id(job) for job in done} == {id(job) for job in small}
    assert engine.searched == [b"large a"]
    assert room.waiting == len(large) - 1
    assert room.oldest is not None
    engine.found.set()
    room.close()
    assert [type(job.error) for job in large] == [type(None)] * 3 + [BadImage]
    assert len(done) == 24


def test_a_large_picture_that_nobody_wants_any_more_is_not_searched_through():
    engine, done = Searching(), []
    room = started(engine, done.extend)
    jobs = [*jobs_of(b"large a"), Job(data=b"large b", delivery=Delivery(dropped=True))]
    room.submit(jobs)
    wait_until(lambda: engine.searched)
    engine.found.set()
    room.close()
    assert engine.searched == [b"large a"]
    assert {id(job) for job in done} == {id(job) for job in jobs}


def test_a_room_that_is_left_searches_through_no_more_large_pictures():
    engine, done = Searching(), []
    room = started(engine, done.extend)
    room.submit(jobs_of(b"large a", b"large b"))
    wait_until(lambda: engine.searched)
    room.abandon()
    engine.found.set()
    room.close()
    assert engine.searched == [b"large a"]


class Counting(Engine):
    """Counts what is decoded and not read yet."""

    decoded = 0

    def prepare(self, data):
        self.decoded += 1
        return data


@pytest.mark.parametrize("bulk", [False, True])
def test_a_long_list_is_not_decoded_far_ahead_of_its_passes(bulk):
    engine, done = Counting(), []
    room = started(engine, done.extend, decoders=2)
    room.submit(jobs_of(b"wait"))
    assert engine.waiting.wait(10)
    many = jobs_of(*(b"%d" % number for number in range(500)))
    for job in many:
        job.bulk = bulk
    room.submit(many, bulk=bulk)
    wait_until(lambda: engine.decoded > 60)
    sleep(0.1)
    # One, what waits for passes, and what both decoders had taken when there was room.
    assert engine.decoded <= 1 + 63 + 2 * 16
    if bulk:
        # One that somebody waits for is decoded all the same, and is in the next pass.
        (urgent,) = jobs_of(b"urgent")
        room.submit([urgent])
        wait_until(lambda: room._decoded.count(bulk=False))
    engine.go_on.set()
    room.close()
    assert len(done) == 501 + bulk
    assert all(job.answer for job in done)
    if bulk:
        assert done.index(urgent) <= 8


def handed_on(engine: Engine, jobs: list[Job]) -> list[list[Job]]:
    """What is handed on together of `jobs` that waited, decoded, for the end of a pass."""
    parts: list[list[Job]] = []
    room = started(engine, parts.append)
    room.submit(jobs_of(b"wait"))
    assert engine.waiting.wait(10)
    for job in jobs:
        room.submit([job], bulk=job.bulk)
    wait_until(lambda: len(room._decoded) == len(jobs))
    engine.go_on.set()
    room.close()
    return [list(part) for part in parts]


def test_passes_that_follow_each_other_are_handed_on_together_while_as_much_waits(monkeypatch):
    monkeypatch.setattr("worker.engine_room.gathering._TOGETHER_S", 60.0)
    jobs = jobs_of(*different(40))
    parts = handed_on(Engine(), jobs)
    assert [len(part) for part in parts] == [1 + 3 * 8, 2 * 8]
    assert {job.answer.timing.pass_size for job in jobs} == {8}


def test_what_takes_long_to_read_is_handed_on_at_once(monkeypatch):
    monkeypatch.setattr("worker.engine_room.gathering._TOGETHER_S", 0.0)
    parts = handed_on(Engine(), jobs_of(*different(24)))
    assert [len(part) for part in parts] == [1, 8, 8, 8]


def test_who_waits_does_not_wait_for_bulk_captchas(monkeypatch):
    monkeypatch.setattr("worker.engine_room.gathering._TOGETHER_S", 60.0)
    (urgent,), others = jobs_of(b"urgent"), jobs_of(*different(40))
    for job in others:
        job.bulk = True
    parts = handed_on(Engine(max_batch=1), [*others, urgent])
    # With the one before it that somebody waits for, too.
    assert [len(part) for part in parts if urgent in part] == [2]


def test_of_several_workers_each_counts_on_its_share_of_the_cores(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 2, 4, 6})
    assert [share_of_cores(processes) for processes in (1, 2, 3, 4, 9)] == [4, 2, 1, 1, 1]


def test_a_lane_that_has_the_only_core_decodes_what_it_reads():
    engine, done = Named(), []
    room = started(engine, done.extend, cores=1)
    room.submit(jobs_of(b"wait"))
    assert engine.waiting.wait(10)
    before = len(engine.decoders)
    jobs = jobs_of(*different(200))
    for job in jobs[100:]:
        job.bulk = True
    room.submit(jobs[100:], bulk=True)
    room.submit(jobs[:100])
    sleep(0.05)
    assert len(engine.decoders) == before
    engine.go_on.set()
    room.close()
    assert {*engine.decoders[before:]} == {"session-1"}
    assert all(job.answer for job in jobs)
    # Those that somebody waits for go first.
    assert not any(job.bulk for job in done[:101])
    assert len(done) == 201


class Slow(Engine):
    """Decodes one of many slowly, and notes how many were done when it decodes a later one."""

    def prepare(self, data):
        if data == b"image 36":
            sleep(0.1)
        if data == b"image 50":
            self.done_by_then = len(self.done)
        return data


def test_what_is_read_does_not_wait_for_many_that_are_decoded_slowly(monkeypatch):
    monkeypatch.setattr("worker.engine_room.gathering._TOGETHER_S", 0.05)
    engine, done = Slow(), []
    engine.done = done
    room = started(engine, done.extend, cores=1)
    room.submit(jobs_of(b"wait"))
    assert engine.waiting.wait(10)
    room.submit(jobs_of(*different(100)))
    engine.go_on.set()
    room.close()
    assert engine.done_by_then == 1 + 32
    assert len(done) == 101


class Alone(Engine):
    """Reads one, b"suspect", until it may go on."""

    def __init__(self) -> None:
        super().__init__()
        self.is_alone, self.ends = Event(), Event()

    def read(self, batch):
        if b"suspect" in batch:
            self.is_alone.set()
            self.ends.wait(10)
        return super().read(batch)


def test_what_is_read_is_handed_on_before_a_suspect_is_read_alone(monkeypatch):
    monkeypatch.setattr("worker.engine_room.gathering._TOGETHER_S", 60.0)
    engine, done = Alone(), []
    room = started(engine, done.extend)
    first, (suspect,) = jobs_of(b"wait"), jobs_of(b"suspect")
    room.submit(first)
    assert engine.waiting.wait(10)
    room.submit(jobs_of(*different(24)))
    wait_until(lambda: len(room._decoded) == 24)
    room.held.bind([suspect])
    alone = Thread(target=room.read_alone, args=[suspect])
    alone.start()
    wait_until(lambda: room._exclusion.is_wanted)
    engine.go_on.set()
    assert engine.is_alone.wait(10)
    wait_until(lambda: done == first)
    engine.ends.set()
    alone.join()
    room.close()
    assert suspect.answer
    assert len(done) == 25


class Short(Engine):
    """Gives no answer to the last of a pass."""

    def read(self, batch):
        return super().read(batch)[: None if b"wait" in batch else -1]


def test_a_pass_that_breaks_keeps_nobody_and_is_not_counted_as_running():
    leader, unwanted, follower = jobs_of(b"a", b"a", b"a")
    unwanted.delivery = Delivery(dropped=True)
    jobs = [*jobs_of(b"wait"), leader, unwanted, follower]
    engine, done = Short(), []
    room = started(engine, done.extend)
    room.submit(jobs[:1])
    assert engine.waiting.wait(10)
    room.submit(jobs[1:])
    wait_until(lambda: room.stats()["joined"] == 2)
    engine.go_on.set()
    wait_until(lambda: len(done) == 4)
    assert room.running == 0
    room.close()
    assert [type(job.error) for job in (leader, follower)] == [EngineError] * 2
    assert unwanted.error is None


class Interrupted(Engine):
    """While it decodes the first of many, somebody sends one more."""

    def prepare(self, data):
        if data == b"image 0":
            self.interrupt()
        return data


def test_who_comes_while_bulk_captchas_are_decoded_is_in_the_next_pass():
    engine, done = Interrupted(), []
    room = started(engine, done.extend, cores=1)
    (urgent,) = jobs_of(b"urgent")
    engine.interrupt = lambda: room.submit([urgent])
    room.submit(jobs_of(b"wait"))
    assert engine.waiting.wait(10)
    bulk = jobs_of(*different(40))
    for job in bulk:
        job.bulk = True
    room.submit(bulk, bulk=True)
    engine.go_on.set()
    room.close()
    assert done[1] is urgent
    assert len(done) == 42


def test_what_waits_for_room_is_forgotten_with_the_rest():
    engine, done = Counting(), []
    room = started(engine, done.extend, decoders=2)
    room.submit(jobs_of(b"wait"))
    assert engine.waiting.wait(10)
    room.submit(jobs_of(*(b"%d" % number for number in range(500))), bulk=True)
    wait_until(lambda: engine.decoded > 60)
    room.abandon()
    engine.go_on.set()
    for thread in room._decoding.threads:
        thread.join(10)
        assert not thread.is_alive()


class Telling(Engine):
    """Prepares and answers with its name; notes the batches that it reads."""

    def __init__(self, name: str, max_batch: int = 8) -> None:
        super().__init__(max_batch)
        self.model = f"{name}@1"
        self._answer = replace(self._answer, model=self.model)
        self.batches: list[list] = []

    def prepare(self, data):
        return self.model, data

    def read(self, batch):
        self.batches.append(list(batch))
        return super().read([data for _, data in batch])


def two_models(done, **options) -> tuple[EngineRoom, dict[str, Telling]]:
    engines = {name: Telling(name, **options) for name in ("builtin", "mine")}
    return started(engines, done, decoders=2), engines


def test_each_captcha_is_prepared_and_read_by_its_own_model_and_passes_never_mix():
    done: list[Job] = []
    room, engines = two_models(done.extend)
    room.submit(jobs_of(b"wait"))
    assert engines["builtin"].waiting.wait(10)
    # The same bytes for both, in turns.
    sent = {"builtin": jobs_of(*different(12)), "mine": jobs_of(*different(12))}
    for pair in zip(*sent.values(), strict=True):
        for name, job in zip(sent, pair, strict=True):
            room.held.bind([job], name)
        room.submit(pair)
    wait_until(lambda: room._decoded.count(bulk=True) == 24)
    engines["builtin"].go_on.set()
    room.close()
    assert len(done) == 25
    for name, jobs in sent.items():
        assert {job.answer.model for job in jobs} == {f"{name}@1"}
        assert {model for batch in engines[name].batches for model, _ in batch} == {f"{name}@1"}
    assert engines["mine"].sizes == [8, 4]
    told = room.stats()["models"]
    assert {name: told[name]["captchas"] for name in told} == {"builtin": 13, "mine": 12}
    assert {name: told[name]["open"] for name in told} == {"builtin": 0, "mine": 0}


def test_a_model_with_a_few_captchas_does_not_wait_for_all_of_another_one(monkeypatch):
    monkeypatch.setattr("worker.engine_room.room._LONG_PASS_S", 60.0)
    done: list[Job] = []
    room, engines = two_models(done.extend, max_batch=2)
    for engine in engines.values():
        engine.long_batch = 32
    room.submit(jobs_of(b"wait"))
    assert engines["builtin"].waiting.wait(10)
    flood = jobs_of(*different(20))
    room.submit(flood[:10])
    (few,) = jobs_of(b"few")
    room.held.bind([few], "mine")
    room.submit([few])
    room.submit(flood[10:])
    wait_until(lambda: room._decoded.count(bulk=True) == 21)
    engines["builtin"].go_on.set()
    room.close()
    assert done.index(few) <= 12


def test_what_was_taken_in_before_a_change_is_read_with_the_old_model():
    done: list[Job] = []
    room, engines = two_models(done.extend)
    old = engines["builtin"]
    room.submit(jobs_of(b"wait"))
    assert old.waiting.wait(10)
    before, after = jobs_of(b"a"), jobs_of(b"a")
    room.submit(before)
    replaced = room.held.use(room.held.warm("new", Telling("new")))
    room.submit(after)
    assert not room.held.wait_for(replaced, patience_s=0.01)
    old.go_on.set()
    assert room.held.wait_for(replaced, patience_s=10)
    room.close()
    assert [job.answer.model for job in (*before, *after)] == ["builtin@1", "new@1"]
    assert room.held.names == ["new", "mine"]
    assert room.stats()["captchas"] == 3


def test_of_what_waits_anywhere_the_oldest_is_told():
    room = EngineRoom(
        {"null": NullEngine()}, sessions=1, decoders=1, started=list, done=list, cores=lambda: 2
    )
    assert room.oldest is None
    first, later = jobs_of(b"first", b"later")
    room.submit([first], bulk=True)
    room.submit([later])
    assert first.arrived < later.arrived
    assert room.oldest == first.arrived


def test_nobody_is_read_before_those_that_wait_to_be_decoded():
    decoding, go_on = Event(), Event()

    class Slow(Engine):
        def prepare(self, data):
            if data == b"slow":
                decoding.set()
                assert go_on.wait(10)
            return data

    done: list[Job] = []
    room = started(Slow(), done.extend)
    slow, next_, last = jobs_of(b"slow", b"next", b"last")
    # Two together go to the decoder, however idle the lane is.
    room.submit([slow, next_])
    assert decoding.wait(10)
    room.submit([last])
    assert room.waiting == 2
    go_on.set()
    room.close()
    assert done == [slow, next_, last]


def test_an_image_is_let_go_once_it_is_decoded():
    job, bad = jobs_of(b"image", b"bad")
    run(Engine(), [job, bad])
    assert job.data is None
    assert bad.data is None


def test_while_one_is_read_alone_no_other_is_decoded_and_its_start_is_told():
    prepared: list[bytes] = []
    told: list[Job] = []

    class Noting(Engine):
        def prepare(self, data):
            prepared.append(data)
            return super().prepare(data)

    engine, done = Noting(), []
    room = EngineRoom(
        {"null": engine}, sessions=1, decoders=1, started=told.extend, done=done.extend,
        cores=lambda: 2,
    )  # fmt: skip
    room.start()
    alone, other = jobs_of(b"wait", b"other")
    room.held.bind([alone])
    reading = Thread(target=room.read_alone, args=(alone,))
    reading.start()
    assert engine.waiting.wait(10)
    room.submit([other])
    sleep(0.1)
    assert prepared == [b"wait"]
    assert told == [alone]
    engine.go_on.set()
    reading.join(10)
    room.close()
    assert alone.answer is not None
    assert done == [other]


def test_whoever_cannot_take_what_is_done_keeps_no_others_from_being_read():
    taken: list[Job] = []

    def done(jobs) -> None:
        taken.extend(jobs)
        raise RuntimeError("no")

    room = started(Engine(), done)
    first, second = jobs_of(b"first", b"second")
    for each in (first, second):
        room.submit([each])
        wait_until(lambda each=each: each in taken and each.held is None)
    room.close()
    assert first.answer is not None
    assert second.answer is not None
