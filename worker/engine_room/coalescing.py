"""Identical captchas: read once, answered to all.

While a captcha is in the engine room, others with the same bytes join it instead of being read;
what was answered a moment ago may be kept for a while. Both are counted. Each model that is held
has one of these: nobody gets another one's answers, and they go with it.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace
from threading import Lock
from time import monotonic
from typing import Literal

from tilefleet.answer import Answer, Timing
from worker.engine_room.job import Job
from worker.engine_room.tally import Tally

#: Most answers that are kept, about 2 kB each.
_MOST = 4096
#: Bytes of an image, at its beginning, in its middle and at its end, by which another one with the
#: same is looked for. Whether it is the same, all of them decide: to hash them takes longer.
_SAMPLE = 32

Fate = Literal["", "joined", "kept"]


class Coalescer:
    """Which images are in the room, and which answers are still fresh. Used by several threads."""

    def __init__(self, tally: Tally, *, keep_s: float = 0.0) -> None:
        """`tally`: where both are counted. `keep_s`: seconds for which an answer is kept; 0 keeps
        none."""
        self._tally = tally
        self._keep_s = keep_s
        self._lock = Lock()
        #: By their keys; an image that has another one's key, and is another, joins nobody.
        self._leaders: dict[bytes, Job] = {}
        self._answers: OrderedDict[bytes, tuple[float, Answer]] = OrderedDict()

    def settle(self, job: Job) -> Fate:
        """Why the job needs no pass of its own: it has an answer now, or has joined another, with
        which it is done from then on; "" if it does need one."""
        image = job.data
        if not isinstance(image, bytes):
            return ""
        if job.digest is None and (job.told_by_digest or self._keep_s):
            job.digest = hashlib.sha256(image).digest()
        middle = len(image) // 2
        key = image[:_SAMPLE] + image[middle : middle + _SAMPLE] + image[-_SAMPLE:]
        with self._lock:
            if (answer := self._fresh(job.digest)) is not None:
                self._tally.kept += 1
                job.answer = replace(answer, timing=Timing(0.0, 0.0, 0))
                return "kept"
            leader = self._leaders.setdefault(key, job)
            if leader is job:
                job.key, job.image = key, image
            elif leader.image == image:
                self._tally.joined += 1
                leader.followers.append(job)
                return "joined"
            return ""

    def begin(self, jobs: Iterable[Job]) -> tuple[list[Job], list[Job]]:
        """Just before a pass: the jobs that it has to read, and those that nobody wants any more.

        A job that is not wanted itself is still read for those that joined it.
        """
        to_read, dropped = [], []
        with self._lock:
            for job in jobs:
                if not job.followers and not job.dropped():
                    to_read.append(job)
                    continue
                gone = [each for each in (job, *job.followers) if each.dropped()]
                if not gone:
                    to_read.append(job)
                    continue
                if len(gone) > len(job.followers):
                    # Under the lock, so that nobody joins what is not going to be read.
                    self._forget(job)
                    dropped += gone
                    continue
                job.followers = [follower for follower in job.followers if follower not in gone]
                job.only_for_followers = job in gone
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
                for follower in job.followers:
                    follower.answer, follower.error = job.answer, job.error
                if job.only_for_followers:
                    job.answer = job.error = None
                done += [job, *job.followers]
        return done

    def _forget(self, job: Job) -> None:
        if job.key is not None:
            del self._leaders[job.key]
            job.key, job.image = None, b""

    def _fresh(self, digest: bytes | None) -> Answer | None:
        if digest is None or not self._answers:
            return None
        until, answer = self._answers.get(digest, (0.0, None))
        return answer if until > monotonic() else None

    def _keep(self, digest: bytes, answer: Answer) -> None:
        self._answers[digest] = (monotonic() + self._keep_s, answer)
        self._answers.move_to_end(digest)
        if len(self._answers) > _MOST:
            self._answers.popitem(last=False)
