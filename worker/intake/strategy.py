"""From message to engine room: Celery's own strategy, with another end.

Revocation, expiry, ETA, rate limits and ``task-received`` stay Celery's: its default strategy is
given a consumer whose only difference is where a request that is due goes.
"""

from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

from celery.worker.consumer import Consumer
from celery.worker.strategy import default


def strategy(task: Any, app: Any, consumer: Any) -> Callable[..., Any]:
    """What `Task.Strategy` has to be: called once for each connection, gives the handler."""
    handler: Callable[..., Any] = default(task, app, at_the_end_of(consumer))
    return handler


def at_the_end_of(consumer: Any) -> Any:
    """The consumer whose requests, once they are due, go where they are read."""
    step = getattr(consumer.controller, "engine_room", None)
    return consumer if step is None else EngineRoomConsumer(consumer, step.admit)


class EngineRoomConsumer:
    """A consumer that admits requests to the engine room instead of the pool.

    Celery's strategy hands requests over in three ways: at once, when an ETA is due, and when a
    rate limit has room. The last two go through methods of the consumer; most are Celery's own
    functions, bound to this object, so that they end in this `on_task_request` too.
    """

    def __init__(self, consumer: Any, admit: Callable[[Any], None]) -> None:
        self._consumer = consumer
        self.on_task_request = admit
        self.timer = _Timer(consumer.timer)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._consumer, name)

    apply_eta_task = Consumer.apply_eta_task
    _limit_move_to_pool = Consumer._limit_move_to_pool
    _schedule_bucket_request = Consumer._schedule_bucket_request

    def _limit_task(self, request: Any, bucket: Any, tokens: int) -> None:
        """Celery has a timer for each request that waits for a rate limit: of many only ten are
        looked at in a turn, a second apart. Here the first one's looks after all behind it."""
        bucket.add((request, tokens))
        if len(bucket.contents) == 1:
            self._schedule_bucket_request(bucket)

    def _limit_post_eta(self, request: Any, bucket: Any, tokens: int) -> None:
        self.qos.decrement_eventually()
        self._limit_task(request, bucket, tokens)


class _Timer:
    """The hub's timer, without a round through it for what is due: the hub fires ten in a turn."""

    def __init__(self, timer: Any) -> None:
        self._timer = timer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._timer, name)

    def call_at(self, eta: float, call: Callable[..., Any], args: Sequence[Any], **how: Any) -> Any:
        """`eta`: by the monotonic clock, seconds. Gives the timer's entry, None if it was due."""
        if eta <= monotonic():
            call(*args)
            return None
        return self._timer.call_at(eta, call, args, **how)
