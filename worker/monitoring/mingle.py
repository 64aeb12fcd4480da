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

    label = "Bounded mingle"

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **{**options, "without_mingle": not consumer.greets})

    def send_hello(self, c: Any) -> Any:
        others = self._living(c)
        if others == []:
            return {}
        # On a connection of its own: kombu counts what it hears there, whether it is an answer or
        # not, and on the consumer's there may be other things.
        # By name: workers of other applications in the same database would answer too.
        limit = None if others is None else len(others)
        inspect = c.app.control.inspect(timeout=_PATIENCE_S, destination=others, limit=limit)
        replies = inspect.hello(c.hostname, list(c.controller.state.revoked)) or {}
        replies.pop(c.hostname, None)
        return replies

    def _living(self, c: Any) -> list[str] | None:
        """Names of the others that told lately that they live; None if that is not known."""
        client: Any = getattr(c.app.backend, "client", None)
        key = c.app.settings.key_prefix + report.KEY
        try:
            pipeline = client.pipeline(transaction=False)
            now, lines = pipeline.time().hgetall(key).execute()
        except (AttributeError, RedisError, OSError) as error:
            logger.info("Which workers there are is not known: %r", error)
            return None
        lines.pop(c.hostname.encode(), None)
        told = {name: report.decode(now[0], line) for name, line in lines.items()}
        # Those that only start answer nobody.
        return [
            name.decode(errors="replace")
            for name, each in told.items()
            if each is not None and each.model
        ]
