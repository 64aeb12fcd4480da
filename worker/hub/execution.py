"""Celery's ordinary execution of a request whose outcome is known: storage, links, chords, signals.

For what asks for more than its result, or where somebody listens to signals.
"""

from collections.abc import Callable
from time import monotonic
from typing import Any

from celery.exceptions import TaskRevokedError

from worker.engine_room.job import Delivery


class Execution:
    """Those that are executing in the worker's pool."""

    def __init__(self, worker: Any, *, failed: Callable[[Delivery, BaseException], None]) -> None:
        """`failed` is called on the pool's thread, which would keep an exception to itself."""
        self._worker = worker
        self._failed = failed
        self._executing: set[Any] = set()

    def begin(self, delivery: Delivery) -> None:
        """The task's body finds the outcome in its request."""
        request = delivery.request
        request.request_dict["outcome"] = delivery.outcome
        try:
            result = request.execute_using_pool(self._worker.pool)
        except TaskRevokedError:
            return
        future = getattr(result, "f", None)
        if future is not None:
            self._executing.add(result)
            future.add_done_callback(lambda done: self._ended(delivery, result, done))

    def wait(self, deadline: float) -> None:
        """`deadline`: by the monotonic clock."""
        for result in list(self._executing):
            result.wait(max(0.0, deadline - monotonic()))

    def _ended(self, delivery: Delivery, result: Any, future: Any) -> None:
        self._executing.discard(result)
        if not future.cancelled() and (error := future.exception()) is not None:
            self._failed(delivery, error)
