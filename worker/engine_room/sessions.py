"""The sessions of the engine in use, and how another engine takes its place."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Condition
from typing import Final

from models.engines import Engine, Session

#: Seconds to wait for passes with the engine that is replaced; one that hangs is not waited for.
PATIENCE_S: Final = 60.0


@dataclass(slots=True, eq=False)
class _Warm:
    """An engine, its sessions that nobody uses at the moment, and how many are used."""

    engine: Engine
    free: list[Session] = field(default_factory=list)
    taken: int = 0


class Sessions:
    """Hands out sessions, each to one thread at a time. For several threads."""

    def __init__(self, engine: Engine, *, count: int) -> None:
        """Make `count` warm sessions; raises ModelError."""
        self.count = count
        self._changed = Condition()
        self._warm = self._make(engine)

    @property
    def engine(self) -> Engine:
        """The one that passes begin with from now on."""
        return self._warm.engine

    @contextmanager
    def taken(self) -> Iterator[Session]:
        """A session of the engine in use, for one pass. Beyond `count` at once, another is made."""
        with self._changed:
            warm = self._warm
            session = warm.free.pop() if warm.free else None
            warm.taken += 1
        try:
            session = session or warm.engine.session()
            yield session
        finally:
            with self._changed:
                warm.taken -= 1
                if session is not None:
                    warm.free.append(session)
                if not warm.taken:
                    self._changed.notify_all()

    def change(self, engine: Engine, *, patience_s: float = PATIENCE_S) -> bool:
        """Warm sessions of another engine, then let passes begin with it; raises ModelError.

        Returns when the last pass with the old engine has ended, or False after `patience_s`
        seconds. Nothing here holds the old engine then.
        """
        warm = self._make(engine)
        with self._changed:
            old, self._warm = self._warm, warm
            return self._changed.wait_for(lambda: not old.taken, patience_s)

    def _make(self, engine: Engine) -> _Warm:
        return _Warm(engine, [engine.session() for _ in range(self.count)])
