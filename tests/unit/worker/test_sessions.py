"""Sessions: each with one thread at a time, and another engine takes over without a gap."""

from threading import Event, Thread

from models.engines.null import NullEngine
from worker.engine_room.sessions import Sessions


class Engine(NullEngine):
    """Counts the sessions that it made."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.model, self.made = name, 0

    def session(self):
        self.made += 1
        return object()


def test_no_session_is_with_two_at_once_and_those_that_are_free_are_used_again():
    engine = Engine("one")
    sessions = Sessions(engine, count=2)
    assert engine.made == 2
    with sessions.taken() as first, sessions.taken() as second:
        assert first is not second
        # Beyond that many, another is made.
        with sessions.taken() as third:
            assert third not in (first, second)
        assert engine.made == 3
    for _ in range(10):
        with sessions.taken() as again:
            assert again in (first, second, third)
    assert engine.made == 3


def test_passes_that_begin_after_a_change_have_the_new_engine_and_the_old_one_is_waited_for():
    old, new = Engine("old"), Engine("new")
    sessions = Sessions(old, count=1)
    results = []
    began = Event()

    def change() -> None:
        began.set()
        results.append(sessions.change(new, patience_s=10))

    thread = Thread(target=change)
    with sessions.taken():
        thread.start()
        began.wait(10)
        while sessions.engine is not new:
            pass
        with sessions.taken():
            assert new.made == 1
        assert results == []
    thread.join(10)
    assert results == [True]
    assert old.made == 1


def test_a_pass_that_does_not_end_is_not_waited_for_for_ever():
    sessions = Sessions(Engine("old"), count=1)
    with sessions.taken():
        assert not sessions.change(Engine("new"), patience_s=0.01)
    with sessions.taken():
        assert sessions.engine.model == "new"


def test_a_pass_that_fails_gives_its_session_back():
    engine = Engine("one")
    sessions = Sessions(engine, count=1)
    for _ in range(3):
        try:
            with sessions.taken():
                raise RuntimeError("no")
        except RuntimeError:
            pass
    assert engine.made == 1
    assert sessions.change(Engine("two"), patience_s=0)
