"""The models that a worker holds, and how one takes another one's place.

A captcha is bound to its model when it is taken in: what it names, or the default. With that model
it is decoded, joined by others with the same bytes, and read, whatever takes its place meanwhile.
A model that nobody names any more is let go with the last captcha that is bound to it.
"""

from collections.abc import Iterator, Mapping, Sequence
from threading import Condition
from typing import Any, Final

from models.engines import Engine
from worker.engine_room.coalescing import Coalescer
from worker.engine_room.job import Job
from worker.engine_room.sessions import Sessions
from worker.engine_room.tally import Tally

#: Seconds to wait for captchas of a model that is replaced; one that hangs is not waited for.
PATIENCE_S: Final = 60.0


class Held:
    """One model: its engine, warm, and the captchas that join each other in it."""

    def __init__(
        self, name: str, engine: Engine, tally: Tally, *, sessions: int, keep_s: float
    ) -> None:
        """Make that many warm sessions; raises ModelError."""
        self.name = name
        self.engine = engine
        self.tally = tally
        self.sessions = Sessions(engine, count=sessions)
        self.coalescer = Coalescer(tally, keep_s=keep_s)
        #: Captchas that are bound to it; `HeldModels` counts.
        self.open = 0

    @property
    def tile_cache(self) -> dict[str, int] | None:
        """What the engine's tile cache keeps, and its hits and misses; None without one."""
        cache = getattr(self.engine, "tile_cache", None)
        return None if cache is None else dict(cache.stats())

    def stats(self) -> dict[str, Any]:
        """Plain figures, for ``celery inspect stats``."""
        return {
            "model": self.engine.model,
            "precision": self.engine.precision,
            "open": self.open,
            "passes": sum(dict(self.tally.passes).values()),
            "captchas": self.tally.captchas,
            "joined": self.tally.joined,
            "kept_answers_used": self.tally.kept,
            "tile_cache": self.tile_cache,
        }


class HeldModels:
    """All of a worker's. For several threads."""

    def __init__(self, engines: Mapping[str, Engine], *, sessions: int, keep_s: float) -> None:
        """`engines` by the names of their models; the first is the default. Raises ModelError.

        `sessions`: warm ones of each. `keep_s`: seconds for which an answer is kept.
        """
        self._sessions, self._keep_s = sessions, keep_s
        #: By name: what is counted stays when a model goes.
        self.tallies: dict[str, Tally] = {}
        self._changed = Condition()
        self._held = {name: self.warm(name, engine) for name, engine in engines.items()}
        self._default = next(iter(self._held.values()))

    def __iter__(self) -> Iterator[Held]:
        """The default first."""
        with self._changed:
            others = [each for each in self._held.values() if each is not self._default]
            return iter([self._default, *others])

    def __len__(self) -> int:
        return len(self._held)

    @property
    def default(self) -> Held:
        """The one that reads what names none."""
        return self._default

    @property
    def names(self) -> list[str]:
        """The default's first."""
        return [each.name for each in self]

    def get(self, name: str) -> Held | None:
        return self._held.get(name)

    def bind(self, jobs: Sequence[Job], name: str = "") -> bool:
        """Have these read with the model of that name; False, and nothing is, if it is not held."""
        with self._changed:
            held = self._held.get(name) if name else self._default
            if held is None:
                return False
            held.open += len(jobs)
        for job in jobs:
            job.held = held
        return True

    def release(self, jobs: Sequence[Job]) -> None:
        """These are done with, for good."""
        with self._changed:
            for job in jobs:
                held, job.held = job.held, None
                if held is not None:
                    held.open -= 1
                    if not held.open:
                        self._changed.notify_all()

    def warm(self, name: str, engine: Engine) -> Held:
        """Another one, ready to be held; raises ModelError."""
        tally = self.tallies.setdefault(name, Tally())
        return Held(name, engine, tally, sessions=self._sessions, keep_s=self._keep_s)

    def replaced_by(self, name: str) -> Held:
        """Whose place the model of that name would take: its own, or the default's."""
        return self._held.get(name) or self._default

    def use(self, held: Held) -> Held:
        """Read what names none with this one from now on; gives the one whose place it takes.

        One that is held already takes nobody's: it is given itself.
        """
        with self._changed:
            old = self.replaced_by(held.name)
            self._held = {
                (held if each is old else each).name: held if each is old else each
                for each in self._held.values()
            }
            self._default = held
        return old

    def wait_for(self, old: Held, *, patience_s: float = PATIENCE_S) -> bool:
        """Whether, within that many seconds, no captcha is bound to it any more."""
        with self._changed:
            return self._changed.wait_for(lambda: not old.open, patience_s)
