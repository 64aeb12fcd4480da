"""Meeting the other workers, as Celery's Mingle does, without waiting for those that are not there.

Workers that start ask the others which tasks are revoked. Celery waits for answers until a second
has passed without one: at every start and after every lost connection, before a message is taken.
Here the wait ends when as many have answered as tell that they live (`tilefleet.report`).
"""

import logging
from typing import Any

from celery.worker.consumer.mingle import Mingle
from redis.exceptions import RedisError

from tilefleet import report

logger = logging.getLogger(__name__)

#: Seconds without an answer after which the others are not waited for; a busy one takes its time.
_PATIENCE_S = 2.0


class BoundedMingle(Mingle):
    """A Consumer bootstep, in Mingle's place."""

    label = "Neighbours"

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **{**options, "without_mingle": not consumer.greets})

    def send_hello(self, c: Any) -> Any:
        expected = self._living(c)
        if expected == 0:
            return {}
        # On a connection of its own: kombu counts what it hears there, whether it is an answer or
        # not, and on the consumer's there may be other things.
        inspect = c.app.control.inspect(timeout=_PATIENCE_S, limit=expected)
        replies = inspect.hello(c.hostname, list(c.controller.state.revoked)) or {}
        replies.pop(c.hostname, None)
        return replies

    def _living(self, c: Any) -> int | None:
        """How many others told lately that they live; None if that is not known."""
        client: Any = getattr(c.app.backend, "client", None)
        key = c.app.settings.key_prefix + report.KEY
        try:
            pipeline = client.pipeline(transaction=False)
            now, lines = pipeline.time().hgetall(key).execute()
        except (AttributeError, RedisError, OSError) as error:
            logger.info("How many workers there are is not known: %r", error)
            return None
        lines.pop(c.hostname.encode(), None)
        told = [report.decode(now[0], line) for line in lines.values()]
        # Those that only start answer nobody.
        return sum(each is not None and bool(each.model) for each in told)
