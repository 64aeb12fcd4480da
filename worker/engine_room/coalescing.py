"""Identical captchas: read once, answered to all.

While a captcha is in the engine room, others with the same bytes join it instead of being read;
what was answered a moment ago may be kept for a while. Both are counted. An answer is kept for as
long as the model that made it reads.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace
from threading import Lock
from time import monotonic

from tilefleet.answer import Answer, Timing
from worker.engine_room.job import Job

#: Most answers that are kept, about 2 kB each.
_MOST = 4096


class Coalescer:
    """Which images are in the room, and which answers are still fresh. Used by several threads."""

    def __init__(self, model: str, *, keep_s: float = 0.0) -> None:
        """`model`: which one reads. `keep_s`: seconds for which an answer is kept; 0 keeps none."""
        self.joined = 0
        self.kept = 0
        self._model = model
        self._keep_s = keep_s
        self._lock = Lock()
        self._leaders: dict[bytes, Job] = {}
        self._answers: OrderedDict[bytes, tuple[float, Answer]] = OrderedDict()

    def use(self, model: str) -> None:
        """Another model reads: what the old one answered is not given any more."""
        with self._lock:
            self._model = model
            self._answers.clear()

    def settle(self, job: Job) -> bool:
        """Whether the job needs no pass of its own: it has an answer now, or has joined another."""
        if not isinstance(job.data, bytes):
            return False
        digest = hashlib.sha256(job.data).digest()
        with self._lock:
            if (answer := self._fresh(digest)) is not None:
                self.kept += 1
                job.answer = replace(answer, timing=Timing(0.0, 0.0, 0))
                return True
            if (leader := self._leaders.get(digest)) is not None:
                self.joined += 1
                leader.followers.append(job)
                return True
            job.digest = digest
            self._leaders[digest] = job
            return False

    def begin(self, jobs: Iterable[Job]) -> tuple[list[Job], list[Job]]:
        """Just before a pass: the jobs that it has to read, and those that nobody wants any more.

        A job that is not wanted itself is still read for those that joined it.
        """
        to_read, dropped = [], []
        with self._lock:
            for job in jobs:
                gone = [each for each in (job, *job.followers) if each.dropped()]
                if len(gone) > len(job.followers):
                    # Under the lock, so that nobody joins what is not going to be read.
                    self._forget(job)
                    dropped += gone
                    continue
                job.followers = [twin for twin in job.followers if twin not in gone]
                job.only_for_twins = job in gone
                dropped += [each for each in gone if each is not job]
                to_read.append(job)
        return to_read, dropped

    def part(self, jobs: Iterable[Job]) -> list[Job]:
        """Jobs that are done, with all that joined them; these get the same outcome."""
        done = []
        with self._lock:
            for job in jobs:
                if job.digest is not None and job.answer is not None and self._keep_s:
                    self._keep(job.digest, job.answer)
                self._forget(job)
                for twin in job.followers:
                    twin.answer, twin.error = job.answer, job.error
                if job.only_for_twins:
                    job.answer = job.error = None
                done += [job, *job.followers]
        return done

    def _forget(self, job: Job) -> None:
        if job.digest is not None and self._leaders.get(job.digest) is job:
            del self._leaders[job.digest]

    def _fresh(self, digest: bytes) -> Answer | None:
        until, answer = self._answers.get(digest, (0.0, None))
        return answer if until > monotonic() else None

    def _keep(self, digest: bytes, answer: Answer) -> None:
        if answer.model != self._model:
            # Its pass began before another model was taken into use.
            return
        self._answers[digest] = (monotonic() + self._keep_s, answer)
        self._answers.move_to_end(digest)
        if len(self._answers) > _MOST:
            self._answers.popitem(last=False)
