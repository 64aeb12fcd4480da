"""Writes answers: one pipeline for all that wait, every reply checked.

A result that could not be written is kept and tried again, with growing pauses, until it is
written or the worker stops; until then its message is not acknowledged.
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any

from celery import states
from redis.exceptions import RedisError

from tilefleet.errors import EngineError, reason
from worker import fast_json
from worker.engine_room.batcher import Batcher
from worker.engine_room.durations import Durations
from worker.engine_room.job import Delivery, Outcome
from worker.results.exchange import Command, exchange

logger = logging.getLogger(__name__)

#: Results in one pipeline: about a quarter of a megabyte.
_MOST = 256
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0


class Writer:
    """A thread that stores results in Celery's Redis backend, in Celery's own format."""

    def __init__(
        self,
        backend: Any,
        *,
        stored: Callable[[Sequence[Delivery]], None],
        heard_s: int = 0,
        exchange: Callable[[Any, Sequence[Command]], list[Any]] = exchange,
    ) -> None:
        """`stored` gets the deliveries whose results have been written, on the writer's thread.

        `heard_s`: seconds for which a result is stored once somebody has heard it; 0: as any other.
        `exchange`: what runs commands on the backend's client.
        """
        self._backend = backend
        self._exchange = exchange
        # Extended results hold the arguments, whose bytes Celery has its own way with.
        self._fast = backend.serializer == "json" and not backend.app.conf.result_extended
        self._stored = stored
        self._heard_s = heard_s
        #: Keys of results that have been heard, until the next pipeline.
        self._heard: list[Any] = []
        self._batcher: Batcher[Delivery] = Batcher()
        #: From the start of a write to its last reply, and how many pipelines it took.
        self.durations = Durations()
        self.pipelines = 0
        self._stopping = Event()
        self._writing = Lock()
        #: Whether the last write has left something to be tried again.
        self._failing = False
        self._thread = Thread(target=self._run, name="writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, deliveries: Sequence[Delivery]) -> None:
        """Queue deliveries whose outcome is a result or an error.

        They are encoded here: what a result is made of is in the caches of the thread that made it,
        and to the writer's each of its dozen objects would be a miss.
        """
        self._encode_all(deliveries)
        self._batcher.put(deliveries)

    def write(self, deliveries: Sequence[Delivery]) -> None:
        """Write them on this thread, if nothing else is being written; else queue them.

        For a thread that has nothing else to do: the writer's would be one more to wake up. A store
        that is in trouble is left to the writer's.
        """
        self._encode_all(deliveries)
        if self._failing or len(self._batcher) or not self._writing.acquire(blocking=False):
            self._batcher.put(deliveries)
            return
        try:
            failed = self._write(deliveries)
        finally:
            self._writing.release()
        if failed:
            self._batcher.put(failed)

    def close(self) -> None:
        """Write what waits, then end; a store that is away is tried once more, not for ever."""
        self._stopping.set()
        self._batcher.close()
        self._thread.join()

    def _run(self) -> None:
        while batch := self._batcher.take(_MOST):
            pause = _FIRST_PAUSE_S
            while batch:
                with self._writing:
                    batch = self._write(batch)
                if batch and self._stopping.wait(pause):
                    logger.error("%d results were not written: their messages go back", len(batch))
                    break
                pause = min(pause * 2, _LONGEST_PAUSE_S)

    def _write(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Store and publish, as `RedisBackend.set` does for one; gives back what failed."""
        started = monotonic()
        # With nothing to store.
        stored = [delivery for delivery in deliveries if delivery.encoded is None]
        wanted = [delivery for delivery in deliveries if delivery.encoded is not None]
        failed: list[Delivery] = []
        commands: list[Command] = [("EXPIRE", key, self._heard_s) for key in self._heard]
        for delivery in wanted:
            key, expires_s, value = delivery.encoded
            until = ("EX", expires_s) if expires_s else ()
            commands += [("SET", key, value, *until), ("PUBLISH", key, value)]
        self.pipelines += bool(wanted)
        try:
            replies = self._exchange(self._backend.client, commands) if wanted else []
        except (RedisError, OSError) as error:
            logger.warning("%d results could not be written: %s", len(wanted), error)
            replies, failed = [], wanted
        # Two replies for each; none at all if the store is away.
        replies = replies[len(self._heard) :]
        pairs = list(zip(replies[::2], replies[1::2], strict=True))
        if pairs:
            self._heard.clear()
        for delivery, pair in zip(wanted, pairs, strict=False):
            refusal = next((reply for reply in pair if isinstance(reply, Exception)), None)
            if refusal is None:
                stored.append(delivery)
                if self._heard_s and pair[1]:
                    # So many subscribers.
                    self._heard.append(delivery.encoded[0])
            else:
                logger.warning("The result of %s could not be written: %s", delivery, refusal)
                failed.append(delivery)
        if stored:
            ended = monotonic()
            self.durations.add(ended - started, len(stored))
            for delivery in stored:
                if delivery.trace is not None:
                    delivery.trace.marks.append(("store", started, ended))
            self._stored(stored)
        self._failing = bool(failed)
        return failed

    def _encode_all(self, deliveries: Sequence[Delivery]) -> None:
        done_at = self._backend.app.now().isoformat()
        for delivery in deliveries:
            if delivery.request.ignore_result:
                continue
            try:
                delivery.encoded = self._encode(delivery, done_at)
                if delivery.shown:
                    delivery.let_go()
            except Exception as error:
                # Trying again would not help it, and must not keep the others.
                logger.exception("The result of %s cannot be encoded", delivery)
                delivery.outcome = Outcome(
                    error=EngineError(f"no result can be stored: {reason(error)}")
                )
                with suppress(Exception):
                    # Who waits for it is told at least.
                    delivery.encoded = self._encode(delivery, done_at)

    def _encode(self, delivery: Delivery, done_at: str) -> tuple[Any, int, Any]:
        """Key, seconds to live and value of a result, as Celery's backend would write them."""
        request, backend, outcome = delivery.request, self._backend, delivery.outcome
        key = backend.get_key_for_task(request.id)
        if outcome.error is None and self._fast and request.group is None:
            return key, backend.expires, _success(request, outcome.result, done_at)
        if outcome.error is None:
            state, expires_s, traceback = states.SUCCESS, backend.expires, None
            result: Any = outcome.result
        else:
            state, expires_s = states.FAILURE, backend.failure_expires
            traceback = repr(outcome.error)
            result = backend.prepare_exception(outcome.error)
        meta = backend._get_result_meta(
            result=result, state=state, traceback=traceback, request=request._context
        )
        meta["task_id"] = request.id
        return key, expires_s, backend.encode(meta)


def _success(request: Any, result: Any, done_at: str) -> bytes:
    """What `Backend._get_result_meta` gives for a result with nothing beside it, as JSON."""
    meta = {
        "status": states.SUCCESS,
        "result": result,
        "traceback": None,
        "children": [],
        "date_done": done_at,
    }
    if request.parent_id:
        meta["parent_id"] = request.parent_id
    meta["task_id"] = request.id
    return fast_json.encode_bytes(meta)
