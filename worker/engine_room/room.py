"""The engine room: decoding threads, and one thread for each engine lane, with batchers before.

::

    submit ─→ arrived ─→ decoders ─→ decoded ─→ lanes ─→ done(jobs)
       │                    ├── cannot be read ──────────↗
       │                    └── joins one with the same bytes ─ … ─↗
       └── idle: a lane decodes it itself ────────↗

Each job is bound to one of the models that are held (`worker.engine_room.held`), with which all of
this happens; a pass reads jobs of one model.
Knows no Celery: jobs go in by `submit` and come out by the callable `done`, on a thread of the
room, each exactly once, with an answer, an error, or neither when nobody wants it any more.
"""

import logging
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from threading import Thread, get_ident
from time import monotonic
from typing import Any

from models.engines import Engine, Session
from tilefleet.answer import Timing
from tilefleet.errors import EngineError, TilefleetError, reason
from worker.engine_room.batcher import Batcher
from worker.engine_room.coalescing import Coalescer
from worker.engine_room.durations import Durations
from worker.engine_room.exclusive import SharedExclusiveLock
from worker.engine_room.held import Held, HeldModels
from worker.engine_room.job import Job

logger = logging.getLogger(__name__)

#: Captchas are decoded for so many passes of each lane ahead, and for at least so many captchas.
_PASSES_DECODED, _LEAST_DECODED = 4, 64
#: Seconds for which what a decoder has done may wait for what it does next, and most captchas that
#: it takes for that.
_DECODING_S, _MOST_AT_ONCE = 0.0005, 16
#: Most captchas that a lane decodes in a row where no core is left for a decoder, and after how
#: many of these it looks for more urgent ones.
_MOST_IN_A_ROW, _LOOKS_EVERY = 32, 4

#: Seconds from the beginning of a pass for which what it has read may wait for further passes, to
#: be handed on together: then the writer and the hub are woken once, and more is claimed once, for
#: all of them. Each time they find the processor's caches full of networks.
_TOGETHER_S = 0.025

#: What the room tells about jobs, on one of its threads.
Done = Callable[[Sequence[Job]], None]


def _cap(job: Job) -> int:
    """Most captchas in a pass with this one."""
    most: int = job.held.engine.max_batch
    return most


def _bulk_only(bulk: bool) -> bool:
    return bulk


def _no_bulk(bulk: bool) -> bool:
    return not bulk


class EngineRoom:
    """Warm engines that read jobs in micro-batches."""

    def __init__(
        self,
        engines: Mapping[str, Engine],
        *,
        lanes: int,
        decoders: int,
        started: Done,
        done: Done,
        keep_s: float = 0.0,
        cores: Callable[[], int] = lambda: len(os.sched_getaffinity(0)),
    ) -> None:
        """Make `lanes` warm lanes; raises ModelError. Nothing runs before `start`.

        `engines` by the names of their models; the first reads what names none.
        `started` gets the jobs of a pass that begins, `done` those that are finished.
        `keep_s`: seconds for which an answer is kept for captchas with the same bytes.
        `cores`: how many this process may use now.
        """
        self._cores = cores
        self.held = HeldModels(engines, sessions=lanes, keep_s=keep_s)
        #: Passes that run side by side.
        self.lanes = lanes
        self._started = started
        self._done = done
        self._exclusion = SharedExclusiveLock()
        self._arrived: Batcher[Job] = Batcher()
        self._decoded: Batcher[Job] = Batcher(lambda job: job.held)
        most = max(engine.max_batch for engine in engines.values())
        self._most_decoded = max(_LEAST_DECODED, _PASSES_DECODED * most * lanes)
        #: Of each captcha: decoding, from its arrival to the start of its pass, and the pass.
        self.durations = {"decode": Durations(), "wait": Durations(), "pass": Durations()}
        #: Threads of lanes that wait for captchas, and whether the others keep all cores busy.
        self._idle: set[int] = set()
        self._no_core_left = False
        #: Captchas that are being read, by the lane's thread.
        self._in_pass: dict[int, int] = {}
        self._decoders = [
            Thread(target=self._decode, name=f"decoder-{number}", daemon=True)
            for number in range(1, decoders + 1)
        ]
        self._readers = [
            Thread(target=self._run, name=f"lane-{number}", daemon=True)
            for number in range(1, lanes + 1)
        ]

    def start(self) -> None:
        for thread in [*self._decoders, *self._readers]:
            thread.start()

    def submit(self, jobs: Sequence[Job], *, bulk: bool = False) -> None:
        """Have these read; `bulk`: when no others wait. Those that are bound to no model are to the
        default."""
        self.held.bind([job for job in jobs if job.held is None])
        if len(jobs) == 1 and not len(self._arrived) and self._decoded.offer(jobs[0]):
            # Nothing else is to be done: a decoder would be one more thread to wake up.
            return
        self._arrived.put(jobs, bulk=bulk)

    def read_alone(self, job: Job) -> None:
        """Read one here and now, while nothing else is decoded or read; it is not given to `done`,
        and stays bound to its model.

        For a captcha that may end the process: whatever happens then is its doing.
        """
        with self._exclusion.exclusive():
            self._prepare(job)
            if job.error is None:
                self._started([job])
                with job.held.sessions.taken() as session:
                    self._read(session, [job])

    @property
    def engine(self) -> Engine:
        """The engine that reads what names no model."""
        return self.held.default.engine

    def close(self) -> None:
        """Finish what was submitted, then end the threads."""
        for batcher, threads in (
            (self._arrived, self._decoders),
            (self._decoded, self._readers),
        ):
            batcher.close()
            for thread in threads:
                thread.join()

    def abandon(self) -> None:
        """Start nothing more; what is running may finish or die with the process."""
        for batcher in (self._arrived, self._decoded):
            batcher.clear()
            batcher.close()

    @property
    def waiting(self) -> int:
        """Captchas that no pass has begun with."""
        return len(self._arrived) + len(self._decoded)

    @property
    def running(self) -> int:
        """Captchas that are being read."""
        return sum(list(self._in_pass.values()))

    @property
    def oldest(self) -> float | None:
        """When the oldest of those that wait arrived, by the monotonic clock."""
        heads = [*self._arrived.heads(), *self._decoded.heads()]
        return min((job.arrived for job in heads), default=None)

    @property
    def captchas(self) -> int:
        """Captchas that passes have answered."""
        return sum(tally.captchas for tally in list(self.held.tallies.values()))

    def stats(self) -> dict[str, Any]:
        """Plain figures, for ``celery inspect stats``."""
        tallies = list(self.held.tallies.values())
        sizes = sum((Counter(dict(tally.passes)) for tally in tallies), Counter[int]())
        return {
            "model": self.engine.model,
            "lanes": self.lanes,
            "max_batch": self.engine.max_batch,
            "waiting": self.waiting,
            "running": self.running,
            "passes": sum(sizes.values()),
            "captchas": self.captchas,
            "joined": sum(tally.joined for tally in tallies),
            "kept_answers_used": sum(tally.kept for tally in tallies),
            "tile_cache": self.held.default.tile_cache,
            "pass_sizes": {str(size): sizes[size] for size in sorted(sizes)},
            "durations": {name: each.encode() for name, each in self.durations.items()},
            "models": {each.name: each.stats() for each in self.held},
        }

    def _decode(self) -> None:
        """On a decoder's thread."""
        at_once = 1
        while jobs := self._arrived.take(at_once, self._may_decode):
            started = monotonic()
            self._decode_all(jobs)
            took_s = max(monotonic() - started, 1e-6) / len(jobs)
            at_once = min(max(1, int(_DECODING_S / took_s)), _MOST_AT_ONCE)

    def _decode_all(self, jobs: Sequence[Job]) -> None:
        to_read = [job for job in jobs if self._decode_one(job)]
        for bulk in (False, True):
            if some := [job for job in to_read if job.bulk is bulk]:
                self._decoded.put(some, bulk=bulk)

    def _may_decode(self, bulk: bool) -> bool:
        """Not far ahead of the passes: pixels take ten times the memory of a picture's bytes. Not
        on a core that a lane has, either."""
        has_core = bool(self._idle) or not self._no_core_left
        return has_core and self._decoded.count(bulk=bulk) < self._most_decoded

    def _decode_one(self, job: Job) -> bool:
        """Whether it needs a pass now; what is done without one is handed on."""
        coalescer: Coalescer = job.held.coalescer
        try:
            if fate := coalescer.settle(job):
                job.data = None
                done: Sequence[Job] = [job] if fate == "kept" else []
            else:
                with self._exclusion.shared():
                    self._prepare(job)
                if job.error is None:
                    return True
                done = coalescer.part([job])
        except Exception as error:
            done = self.given_up([job], error)
        self._hand_on(done)
        return False

    def _prepare(self, job: Job) -> None:
        started = monotonic()
        try:
            job.prepared = job.held.engine.prepare(job.data)
        except TilefleetError as error:
            # Without its traceback, whose frames hold the image.
            job.error = error.with_traceback(None)
        except Exception as error:
            logger.exception("%s: its image broke the decoder", job)
            job.error = EngineError(f"decoding failed: {reason(error)}")
        # The image is many times the size of everything else in flight.
        job.data = None
        job.decoded = True
        ended = monotonic()
        self.durations["decode"].add(ended - started)
        job.mark("decode", started, ended)

    def _run(self) -> None:
        """On a lane's thread."""
        read: list[Job] = []
        since = 0.0
        while True:
            if read and (monotonic() - since >= _TOGETHER_S or not self._more_than(read)):
                self._hand_on(read)
                read = []
            self._decode_ahead()
            batch = self._decoded.take(_cap, wait=False) or ([] if read else self._wait())
            if not batch:
                if not read:
                    return
                self._hand_on(read)
                read = []
                continue
            if not self._no_core_left:
                self._arrived.look_again()
            since = since if read else monotonic()
            # What was offered to this thread is not decoded yet.
            jobs = [job for job in batch if job.decoded or self._decode_one(job)]
            if not jobs:
                continue
            try:
                read += self._pass(jobs)
            except Exception as error:
                read += self.given_up(jobs, error)

    def _wait(self) -> list[Job]:
        """What to read next; decoders may have this lane's core meanwhile. [] once closed."""
        self._idle.add(get_ident())
        self._arrived.look_again()
        batch = self._decoded.take(_cap)
        self._idle.discard(get_ident())
        return batch

    def _decode_ahead(self) -> None:
        """Where the lanes keep all cores busy: decode for the next passes, in a row. In turns with
        a decoder, on one core, each would throw the other's code and weights out of the caches."""
        self._no_core_left = self._cores() <= self.lanes
        bulk = not self._arrived.count(bulk=False)
        if not self._no_core_left or self._decoded.count(bulk=bulk):
            return
        left = min(_MOST_IN_A_ROW, -(-self._arrived.count(bulk=bulk) // self.lanes))
        while jobs := self._arrived.take(
            min(left, _LOOKS_EVERY), _bulk_only if bulk else _no_bulk, wait=False
        ):
            self._decode_all(jobs)
            left -= len(jobs)
            if bulk and self._arrived.count(bulk=False):
                # Somebody waits for these: they are in the next pass.
                bulk, left = False, _LOOKS_EVERY

    def _more_than(self, read: Sequence[Job]) -> bool:
        """Whether the lanes have as much to do yet as each of them has read, and as urgent: who
        waits for a window of answers gets the first of them while the others are read."""
        bulk = all(job.bulk for job in read)
        waiting = self._arrived.count(bulk=bulk) + self._decoded.count(bulk=bulk)
        return waiting >= len(read) * self.lanes

    def _pass(self, batch: Sequence[Job]) -> Sequence[Job]:
        held: Held = batch[0].held
        # As late as possible: what expired while it waited costs no engine time.
        jobs, dropped = held.coalescer.begin(batch)
        if jobs:
            with self._exclusion.shared(), held.sessions.taken() as session:
                self._in_pass[get_ident()] = len(jobs)
                self._started(jobs)
                self._read(session, jobs)
                del self._in_pass[get_ident()]
        return [*held.coalescer.part(jobs), *dropped]

    def given_up(self, jobs: Sequence[Job], error: Exception) -> Sequence[Job]:
        """A mistake of ours: a thread that ended of it would leave the worker alive and deaf.

        `jobs`: of one model.
        """
        logger.exception("%d captchas are given up: %s", len(jobs), ", ".join(map(str, jobs)))
        for job in jobs:
            job.answer, job.error = None, EngineError(f"the worker failed: {reason(error)}")
        coalescer: Coalescer = jobs[0].held.coalescer
        return coalescer.part(jobs)

    def _hand_on(self, done: Sequence[Job]) -> None:
        if not done:
            return
        try:
            self._done(done)
        except Exception:
            logger.exception(
                "%d captchas could not be handed on: %s", len(done), ", ".join(map(str, done))
            )
        finally:
            self.held.release(done)

    def _read(self, session: Session, jobs: Sequence[Job]) -> None:
        """One pass; one that fails is halved until only the captchas at fault fail."""
        started = monotonic()
        try:
            answers = session.read([job.prepared for job in jobs])
        except Exception as error:
            if len(jobs) == 1:
                logger.exception("%s broke its pass", jobs[0])
                jobs[0].error = EngineError(f"the pass failed: {reason(error)}")
                return
            middle = len(jobs) // 2
            self._read(session, jobs[:middle])
            self._read(session, jobs[middle:])
            return
        pass_s = monotonic() - started
        # How many captchas the pass answers; those that join from here on come on top.
        size = sum(1 + len(job.followers) for job in jobs)
        jobs[0].held.tally.passes[size] += 1
        for job, answer in zip(jobs, answers, strict=True):
            queued_s = started - job.arrived
            job.answer = answer.timed(Timing(queued_s * 1000, pass_s * 1000, size))
            self.durations["wait"].add(queued_s)
            for each in (job, *job.followers):
                # One may have joined while the pass ran.
                begun = max(started, each.arrived)
                each.mark("wait", each.arrived, begun)
                each.mark("pass", begun, started + pass_s)
        self.durations["pass"].add(pass_s, len(jobs))
        logger.debug("A pass of %d took %.1f ms", size, pass_s * 1000)
