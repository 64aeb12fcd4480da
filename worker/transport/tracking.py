"""Having the server tell a connection when something that it has looked at changes.

Client-side caching's invalidation messages, without a cache
(https://redis.io/docs/latest/develop/reference/client-side-caching/): one is sent once, the first
time that one of the keys which the connection has read is changed by another one.
"""

import logging
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

    def ask(self, connection: Any) -> None:
        """Switch it on, unless this very connection has been asked."""
        if connection._sock is self._asked:
            return
        self._asked, self.on = connection._sock, False
        try:
            connection._parser.set_invalidation_push_handler(self._on_change)
            connection.send_command("CLIENT", "TRACKING", "ON", "NOLOOP", check_health=False)
            connection.read_response()
            self.on = True
        except (AttributeError, ResponseError) as error:
            logger.warning("The queues are looked at every %g s: %r", POLL_S, error)

    def _on_change(self, _: Any) -> None:
        self.told = True
