"""Decoding, ahead of the passes: on threads of its own, or on sessions' that have all cores.

::

    arrived ─→ decoders, or sessions, some in a row ─→ decoded
                  ├── takes long ─→ one more decoder ─↗
                  ├── cannot be read ─────────────────────────→ completion
                  └── joins one with the same bytes, or has a kept answer ─ … ─↗

In a large picture a captcha is looked for, which takes long: those wait for each other, and nobody
else for them.
"""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock, Thread, get_ident
from time import monotonic

from models.recognition.image import TakesLong
from tilefleet.errors import EngineError, TilefleetError, reason
from worker.engine_room.batcher import Batcher
from worker.engine_room.coalescing import Coalescer
from worker.engine_room.completion import Completion, give_up
from worker.engine_room.durations import Durations
from worker.engine_room.exclusive import SharedExclusiveLock
from worker.engine_room.job import Job

logger = logging.getLogger(__name__)

#: Captchas are decoded for so many passes of each session ahead, and for at least so many captchas.
_PASSES_DECODED, _LEAST_DECODED = 4, 64
#: Seconds for which what a decoder has done may wait for what it does next, and most captchas that
#: it takes for that.
_DECODING_S, _MOST_AT_ONCE = 0.0005, 16
#: Most captchas that a session decodes in a row where no core is left for a decoder, and after how
#: many of these it looks for more urgent ones.
_MOST_IN_A_ROW, _LOOKS_EVERY = 32, 4


def share_of_cores(processes: int = 1) -> int:
    """How many cores one of so many workers may count on now."""
    return max(1, len(os.sched_getaffinity(0)) // processes)


def _bulk_only(bulk: bool) -> bool:
    return bulk


def _no_bulk(bulk: bool) -> bool:
    return not bulk


class Decoding:
    """Takes jobs from the one batcher, decodes them, and puts them into the other."""

    def __init__(
        self,
        arrived: Batcher[Job],
        decoded: Batcher[Job],
        completion: Completion,
        exclusion: SharedExclusiveLock,
        *,
        decoders: int,
        sessions: int,
        max_batch: int,
        cores: Callable[[], int],
    ) -> None:
        """`decoders`: threads. `max_batch`: most captchas in a pass of any model. `cores`: how many
        this process may use now.
        """
        self._arrived, self._decoded = arrived, decoded
        self._completion = completion
        self._exclusion = exclusion
        self._sessions = sessions
        self._cores = cores
        self._most_decoded = max(_LEAST_DECODED, _PASSES_DECODED * max_batch * sessions)
        #: What takes long, for a thread of its own while that runs.
        self._long: Batcher[Job] = Batcher()
        self._long_ended = False
        self._ending = Lock()
        #: Threads of sessions that wait for captchas, and whether the others keep all cores busy.
        self._idle: set[int] = set()
        self._no_core_left = False
        #: Of each captcha.
        self.durations = Durations()
        self._decoders = [
            Thread(target=self._run, name=f"decoder-{number}", daemon=True)
            for number in range(1, decoders + 1)
        ]
        self._patient = Thread(target=self._run_long, name="decoder-large", daemon=True)
        self.threads = [*self._decoders, self._patient]

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def close(self) -> None:
        """Decode what has arrived, then end the threads; what sessions decode from then on takes as
        long as it takes."""
        self._arrived.close()
        for thread in self._decoders:
            thread.join()
        with self._ending:
            self._long_ended = True
            self._long.close()
        self._patient.join()

    def abandon(self) -> None:
        """Start nothing more."""
        for batcher in (self._arrived, self._long):
            batcher.clear()
            batcher.close()

    def __len__(self) -> int:
        """How many are not decoded yet."""
        return len(self._arrived) + len(self._long)

    def heads(self) -> list[Job]:
        """Those that have waited longest to be decoded."""
        return [*self._arrived.heads(), *self._long.heads()]

    def decode(self, jobs: Sequence[Job]) -> list[Job]:
        """Those that need a pass now; what is done without one is handed on."""
        done: list[Job] = []
        with self._exclusion.shared():
            to_read = [job for job in jobs if self._decode(job, done)]
        self._completion.hand_on(done)
        return to_read

    def _decode(self, job: Job, done: list[Job]) -> bool:
        """Whether it needs a pass now; it is added to `done` if it is done without one."""
        coalescer: Coalescer = job.held.coalescer
        try:
            if fate := coalescer.settle(job):
                job.data = None
                if fate == "kept":
                    done.append(job)
                return False
            if self._prepare_or_defer(job):
                return False
            if job.error is None:
                return True
            done += coalescer.part([job])
        except Exception as error:
            done += give_up([job], error)
        return False

    def _prepare_or_defer(self, job: Job) -> bool:
        """Whether it is left to the thread for what takes long."""
        try:
            self.prepare(job, quickly=True)
        except TakesLong:
            with self._ending:
                if not self._long_ended:
                    self._long.put([job], bulk=job.bulk)
                    return True
            self.prepare(job)
        return False

    def prepare(self, job: Job, *, quickly: bool = False) -> None:
        """Decode this one, whatever else is in the room; an error is the job's. `quickly`: raises
        TakesLong where it would take long."""
        started = monotonic()
        engine = job.held.engine
        try:
            job.prepared = (engine.prepare_quickly if quickly else engine.prepare)(job.data)
        except TakesLong:
            raise
        except TilefleetError as error:
            # Without its traceback and that of the decoder's error, whose frames hold the image and
            # this job, a circle.
            error.__context__ = None
            job.error = error.with_traceback(None)
        except Exception as error:
            logger.exception("%s: its image broke the decoder", job)
            job.error = EngineError(f"decoding failed: {reason(error)}")
        # The image is many times the size of everything else in flight.
        job.data = None
        job.decoded = True
        ended = monotonic()
        self.durations.add(ended - started)
        job.mark("decode", started, ended)

    def _decode_all(self, jobs: Sequence[Job]) -> None:
        to_read = self.decode(jobs)
        for bulk in (False, True):
            if some := [job for job in to_read if job.bulk is bulk]:
                self._decoded.put(some, bulk=bulk)

    # On a session's thread ------------------------------------------------------------------------

    def decode_ahead(self, between: Callable[[], None]) -> None:
        """Where the sessions keep all cores busy: decode for the next passes, in a row. In turns
        with a decoder, on one core, each would throw the other's code and weights out of the
        caches.

        `between` is called after every few: large pictures take long.
        """
        self._no_core_left = self._cores() <= self._sessions
        bulk = not self._arrived.count(bulk=False)
        if not self._no_core_left or self._decoded.count(bulk=bulk):
            return
        left = min(_MOST_IN_A_ROW, -(-self._arrived.count(bulk=bulk) // self._sessions))
        while left and (
            jobs := self._arrived.take(
                min(left, _LOOKS_EVERY), _bulk_only if bulk else _no_bulk, wait=False
            )
        ):
            self._decode_all(jobs)
            between()
            left -= len(jobs)
            if bulk and self._arrived.count(bulk=False):
                # Somebody waits for these: they are in the next pass.
                bulk, left = False, _LOOKS_EVERY

    @contextmanager
    def on_idle_core(self) -> Iterator[None]:
        """This session waits: decoders may have its core meanwhile."""
        self._idle.add(get_ident())
        self._arrived.look_again()
        try:
            yield
        finally:
            self._idle.discard(get_ident())

    def go_on(self) -> None:
        """Some of what is decoded is taken: decoders with a core may decode further ahead."""
        if not self._no_core_left:
            self._arrived.look_again()

    # On a decoder's thread ------------------------------------------------------------------------

    def _run(self) -> None:
        at_once = 1
        while jobs := self._arrived.take(at_once, self._may_decode):
            started = monotonic()
            self._decode_all(jobs)
            took_s = max(monotonic() - started, 1e-6) / len(jobs)
            at_once = min(max(1, int(_DECODING_S / took_s)), _MOST_AT_ONCE)

    def _run_long(self) -> None:
        """On the thread for what takes long."""
        while jobs := self._long.take(1):
            coalescer: Coalescer = jobs[0].held.coalescer
            done: Sequence[Job]
            try:
                # Others may have been before it for long: is it wanted yet?
                wanted, done = coalescer.begin(jobs)
                for job in wanted:
                    with self._exclusion.shared():
                        self.prepare(job)
                    if job.error is None:
                        self._decoded.put([job], bulk=job.bulk)
                    else:
                        done = [*done, *coalescer.part([job])]
            except Exception as error:
                done = give_up(jobs, error)
            self._completion.hand_on(done)

    def _may_decode(self, bulk: bool) -> bool:
        """Not far ahead of the passes: pixels take ten times the memory of a picture's bytes. Not
        on a core that a session has, either."""
        has_core = bool(self._idle) or not self._no_core_left
        return has_core and self._decoded.count(bulk=bulk) < self._most_decoded
