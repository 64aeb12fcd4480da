"""The engine room: decoding threads, and one thread for each engine session, with batchers before.

::

    submit ─→ arrived ─→ decoders ─→ decoded ─→ sessions ─→ done(jobs)
       │                    ├── takes long: one decoder more, then decoded
       │                    ├── cannot be read ──────────↗
       │                    └── joins one with the same bytes ─ … ─↗
       └── idle: a session decodes it itself ────────↗

Each job is bound to one of the models that are held (`worker.engine_room.held`), with which all of
this happens; a pass reads jobs of one model.
Knows no Celery: jobs go in by `submit` and come out by the callable `done`, on a thread of the
room, each exactly once, with an answer, an error, or neither when nobody wants it any more.
"""

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from threading import Thread, get_ident
from time import monotonic
from typing import Any, Final

from models.engines import Engine, Session
from tilefleet.answer import Timing
from tilefleet.errors import EngineError, reason
from worker.engine_room.batcher import Batcher
from worker.engine_room.completion import Completion, Done, give_up
from worker.engine_room.decoding import Decoding, share_of_cores
from worker.engine_room.durations import Durations
from worker.engine_room.exclusive import SharedExclusiveLock
from worker.engine_room.gathering import Gathering
from worker.engine_room.held import Held, HeldModels
from worker.engine_room.job import Job

logger = logging.getLogger(__name__)

#: Seconds that a pass may take which is made longer because others wait: who comes meanwhile waits
#: for its end.
_LONG_PASS_S: Final = 0.025


class EngineRoom:
    """Warm engines that read jobs in micro-batches."""

    def __init__(
        self,
        engines: Mapping[str, Engine],
        *,
        sessions: int,
        decoders: int,
        started: Done,
        done: Done,
        keep_s: float = 0.0,
        cores: Callable[[], int] = share_of_cores,
    ) -> None:
        """Make `sessions` warm sessions; raises ModelError. Nothing runs before `start`.

        `engines` by the names of their models; the first reads what names none.
        `started` gets the jobs of a pass that begins, `done` those that are finished.
        `keep_s`: seconds for which an answer is kept for captchas with the same bytes.
        `cores`: how many this process may use now.
        """
        self.held = HeldModels(engines, sessions=sessions, keep_s=keep_s)
        #: Passes that run side by side.
        self.sessions = sessions
        self._started = started
        self._completion = Completion(done, self.held)
        self._exclusion = SharedExclusiveLock()
        self._arrived: Batcher[Job] = Batcher()
        self._decoded: Batcher[Job] = Batcher(lambda job: job.held)
        self._decoding = Decoding(
            self._arrived,
            self._decoded,
            self._completion,
            self._exclusion,
            decoders=decoders,
            sessions=sessions,
            max_batch=max(engine.max_batch for engine in engines.values()),
            cores=cores,
        )
        #: Of each captcha: decoding, from its arrival to the start of its pass, and the pass.
        self.durations = {
            "decode": self._decoding.durations,
            "wait": Durations(),
            "pass": Durations(),
        }
        #: Seconds that the last pass took for each of its captchas.
        self._each_s = _LONG_PASS_S
        #: Captchas that are being read, by the session's thread.
        self._in_pass: dict[int, int] = {}
        self._readers = [
            Thread(target=self._run, name=f"session-{number}", daemon=True)
            for number in range(1, sessions + 1)
        ]

    def start(self) -> None:
        self._decoding.start()
        for thread in self._readers:
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
            self._decoding.prepare(job)
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
        self._decoding.close()
        self._decoded.close()
        for thread in self._readers:
            thread.join()

    def abandon(self) -> None:
        """Start nothing more; what is running may finish or die with the process."""
        self._decoding.abandon()
        self._decoded.clear()
        self._decoded.close()

    @property
    def waiting(self) -> int:
        """Captchas that no pass has begun with."""
        return len(self._decoding) + len(self._decoded)

    @property
    def running(self) -> int:
        """Captchas that are being read."""
        return sum(list(self._in_pass.values()))

    @property
    def oldest(self) -> float | None:
        """When the oldest of those that wait arrived, by the monotonic clock."""
        heads = [*self._decoding.heads(), *self._decoded.heads()]
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
            "sessions": self.sessions,
            # As they were called before.
            "lanes": self.sessions,
            "max_batch": self.engine.max_batch,
            "long_batch": self.engine.long_batch,
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

    def _run(self) -> None:
        """On a session's thread."""
        read = Gathering(self._completion, self._exclusion)
        while True:
            if read and not self._more_than(read):
                read.hand_on()
            read.hand_on_if_due()
            self._decoding.decode_ahead(read.hand_on_if_due)
            batch = self._decoded.take(self._cap, wait=False) or ([] if read else self._wait())
            if not batch:
                if not read:
                    return
                read.hand_on()
                continue
            self._decoding.go_on()
            read.begin()
            # What was offered to this thread is not decoded yet.
            offered = [job for job in batch if not job.decoded]
            jobs = [job for job in batch if job.decoded]
            if offered:
                jobs += self._decoding.decode(offered)
            if jobs:
                read.add(self._pass(jobs))

    def _wait(self) -> list[Job]:
        """What to read next; [] once closed."""
        with self._decoding.on_idle_core():
            return self._decoded.take(self._cap)

    def _cap(self, job: Job) -> int:
        """Most captchas in a pass with this one: a session's share of what waits, where that is
        many and nothing else may be more urgent before the pass is over."""
        engine: Engine = job.held.engine
        if job.bulk or len(self.held) > 1:
            return engine.max_batch
        share = self._decoded.count(bulk=False) // self.sessions
        most = min(share, engine.long_batch, int(_LONG_PASS_S / self._each_s))
        return max(engine.max_batch, most)

    def _more_than(self, read: Gathering) -> bool:
        """Whether the sessions have as much to do yet as each of them has read, and as urgent: who
        waits for a window of answers gets the first of them while the others are read."""
        bulk = read.bulk
        waiting = self._arrived.count(bulk=bulk) + self._decoded.count(bulk=bulk)
        return waiting >= len(read) * self.sessions

    def _pass(self, jobs: Sequence[Job]) -> Sequence[Job]:
        """Jobs of one model, with those that joined them: whatever happens, all are done."""
        held: Held = jobs[0].held
        dropped: Sequence[Job] = []
        try:
            # As late as possible: what expired while it waited costs no engine time.
            jobs, dropped = held.coalescer.begin(jobs)
            if jobs:
                with self._exclusion.shared(), held.sessions.taken() as session:
                    self._in_pass[get_ident()] = len(jobs)
                    self._started(jobs)
                    self._read(session, jobs)
            return [*held.coalescer.part(jobs), *dropped]
        except Exception as error:
            return [*give_up(jobs, error), *dropped]
        finally:
            self._in_pass.pop(get_ident(), None)

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
        self._each_s = max(pass_s / len(jobs), 1e-6)
        # How many captchas the pass answers; those that join from here on come on top.
        size = sum(1 + len(job.followers) for job in jobs)
        jobs[0].held.tally.passes[size] += 1
        wait, timing, arrived = self.durations["wait"], Timing(0.0, pass_s * 1000, size), started
        for job, answer in zip(jobs, answers, strict=True):
            if job.arrived != arrived:
                # Those of a list have arrived together.
                arrived = job.arrived
                timing = Timing((started - arrived) * 1000, pass_s * 1000, size)
            job.answer = answer.timed(timing)
            wait.add(started - arrived)
            for each in (job, *job.followers):
                if each.trace is not None:
                    # One may have joined while the pass ran.
                    begun = max(started, each.arrived)
                    each.mark("wait", each.arrived, begun)
                    each.mark("pass", begun, started + pass_s)
        self.durations["pass"].add(pass_s, len(jobs))
        logger.debug("A pass of %d took %.1f ms", size, pass_s * 1000)
