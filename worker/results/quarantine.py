"""Captchas that come back from a worker that is gone: one of them may have ended it.

A worker that dies leaves all that it had claimed. Each of these is looked up first (its answer may
be stored already), and then read alone, with nothing beside it, after a count of the attempt has
been written down (`attempts`). So a captcha that ends its process is known by its count, the others
are not blamed for it, and it is given up at some time.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any

from celery import states
from redis.exceptions import RedisError

from tilefleet.errors import GivenUp
from worker.engine_room.completion import Done, give_up
from worker.engine_room.job import Delivery, Job, Outcome
from worker.engine_room.room import EngineRoom
from worker.results.attempts import Attempts
from worker.results.one_by_one import OneByOne

logger = logging.getLogger(__name__)

_PAUSE_S = 1.0


class _GoesBack(Exception):
    """Nothing is known of it yet, and it stays claimed: another worker gets it."""


class Quarantine(OneByOne[Delivery]):
    """A thread that reads suspects one after the other."""

    def __init__(
        self,
        room: EngineRoom,
        backend: Any,
        *,
        done: Done,
        refused: Callable[[Delivery], None],
        has_result: Callable[[Delivery], bool],
        key_prefix: str = "",
    ) -> None:
        """`backend`: Celery's for Redis. `refused` gets what has no captchas to read.
        `has_result`: whether a stored result is all of it."""
        super().__init__("suspects")
        self._room = room
        self._backend = backend
        self._done = done
        self._refused = refused
        self._has_result = has_result
        self._attempts = Attempts(self._persist, key_prefix=key_prefix)
        #: For ``inspect stats``.
        self.counts = {"came_back": 0, "were_answered": 0, "read_alone": 0, "given_up": 0}

    def put(self, delivery: Delivery) -> None:
        self.counts["came_back"] += 1
        self._batcher.put([delivery])

    def _do(self, item: Delivery) -> None:
        try:
            done = self._try(item)
        except _GoesBack as error:
            logger.warning("%s goes back: %s", item, error)
            return
        except Exception as error:
            done = give_up(item.jobs, error) if item.jobs else ()
        if not item.jobs:
            self._refused(item)
            return
        self._done(done)
        self._room.held.release(done)

    def _try(self, delivery: Delivery) -> Sequence[Job]:
        if self._has_result(delivery) and (outcome := self._stored(delivery)) is not None:
            self.counts["were_answered"] += 1
            delivery.outcome = outcome
            return delivery.jobs
        for number, job in enumerate(delivery.jobs):
            if delivery.dropped():
                break
            self._try_one(job, delivery.request.id, number)
        return delivery.jobs

    def _try_one(self, job: Job, task_id: str, number: int) -> None:
        try:
            self._attempts.begin(task_id, number)
        except GivenUp as error:
            self.counts["given_up"] += 1
            job.data, job.error = None, error.with_traceback(None)
            return
        self.counts["read_alone"] += 1
        self._room.read_alone(job)
        self._attempts.end(task_id, number)

    def _stored(self, delivery: Delivery) -> Outcome | None:
        """What the worker that is gone had stored for it, if it had."""
        key = self._backend.get_key_for_task(delivery.request.id)
        (text,) = self._persist(lambda pipe: pipe.get(key))
        meta = self._backend.decode_result(text) if text else {}
        if meta.get("status") == states.SUCCESS:
            return Outcome(result=meta["result"], stored=True)
        if meta.get("status") == states.FAILURE:
            error = meta["result"]
            return Outcome(
                error=error if isinstance(error, Exception) else GivenUp(repr(error)), stored=True
            )
        return None

    def _persist(self, fill: Callable[[Any], Any]) -> Any:
        """Run a pipeline; again and again while the store is away."""
        while True:
            with self._backend.client.pipeline(transaction=False) as pipe:
                fill(pipe)
                try:
                    return pipe.execute()
                except (RedisError, OSError) as error:
                    logger.warning("A captcha that came back waits: %s", error)
            if self._stopping.wait(_PAUSE_S):
                raise _GoesBack("the worker stops while its store is away")
