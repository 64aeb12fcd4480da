"""Sessions: each with one thread at a time."""

from models.engines.null import NullEngine
from worker.engine_room.sessions import Sessions


class Engine(NullEngine):
    """Counts the sessions that it made."""

    def __init__(self) -> None:
        super().__init__()
        self.made = 0

    def session(self):
        self.made += 1
        return object()


def test_no_session_is_with_two_at_once_and_those_that_are_free_are_used_again():
    engine = Engine()
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


def test_a_pass_that_fails_gives_its_session_back():
    engine = Engine()
    sessions = Sessions(engine, count=1)
    for _ in range(3):
        try:
            with sessions.taken():
                raise RuntimeError("no")
        except RuntimeError:
            pass
    assert engine.made == 1
