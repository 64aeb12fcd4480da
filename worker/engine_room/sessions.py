"""The sessions of an engine: each with one thread at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from models.engines import Engine, Session


class Sessions:
    """Hands out sessions, each to one thread at a time. For several threads."""

    def __init__(self, engine: Engine, *, count: int) -> None:
        """Make `count` warm sessions; raises ModelError."""
        self._engine = engine
        self._lock = Lock()
        self._free = [engine.session() for _ in range(count)]

    @contextmanager
    def taken(self) -> Iterator[Session]:
        """A session, for one pass. Beyond `count` at once, another is made."""
        with self._lock:
            session = self._free.pop() if self._free else None
        session = session or self._engine.session()
        try:
            yield session
        finally:
            with self._lock:
                self._free.append(session)
