"""Having the server tell a connection when something that it has looked at changes.

Client-side caching's invalidation messages, without a cache
(https://redis.io/docs/latest/develop/reference/client-side-caching/): one is sent once, the first
time that one of the keys which the connection has read is changed by another one.
"""

import logging
from collections.abc import Iterable, Sequence
from typing import Any, Final

from redis.exceptions import ResponseError

logger = logging.getLogger(__name__)

#: Seconds between looks at the queues where the server does not tell.
POLL_S: Final = 0.05


class Tracking:
    """For one connection at a time, over its reconnections."""

    def __init__(self) -> None:
        #: Whether the server tells; not every server and account does.
        self.on = False
        #: Whether it has told since somebody set this to False.
        self.told = False
        #: The socket that was asked to be told.
        self._asked: Any = None
        #: Keys whose changes are nothing to wake up for.
        self._records: frozenset[bytes] = frozenset()

    def ask(self, connection: Any, records: Iterable[str] = ()) -> None:
        """Switch it on, unless this very connection has been asked.

        `records`: keys that every claim changes. Redis 7.0 tells of these, too: it takes a script
        for having read all of its keys.
        """
        if connection._sock is self._asked:
            return
        self._records = frozenset(key.encode() for key in records)
        self._asked, self.on = connection._sock, False
        try:
            connection._parser.set_invalidation_push_handler(self._on_change)
            connection.send_command("CLIENT", "TRACKING", "ON", "NOLOOP", check_health=False)
            connection.read_response()
            self.on = True
        except (AttributeError, ResponseError) as error:
            logger.warning("The queues are looked at every %g s: %r", POLL_S, error)

    def _on_change(self, push: Sequence[Any]) -> None:
        """`push`: its kind, and the keys; None for all of them."""
        keys = push[1]
        if keys is None or not self._records.issuperset(keys):
            self.told = True
