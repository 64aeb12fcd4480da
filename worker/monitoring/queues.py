"""What waits on queues, as Flower shows it, for every form of the server's URL that Celery takes.

Flower reads the URL by itself and makes connections of its own: of several servers or sentinels it
knows the first, of ``rediss://`` and Unix sockets no options. Here the application's own are used.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

from celery import Celery


class Queues:
    """In the place of Flower's brokers."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    async def queues(self, names: Iterable[str]) -> list[dict[str, Any]]:
        """How many messages wait on each; raises what kombu and redis-py raise."""
        return await asyncio.get_running_loop().run_in_executor(None, self._count, list(names))

    def _count(self, names: list[str]) -> list[dict[str, Any]]:
        with self._app.connection_for_read() as connection:
            size = connection.default_channel._size
            return [{"name": name, "messages": size(name)} for name in names]


def show(app: Celery) -> None:
    """Have Flower's pages, which are about to be served, take them from this application."""
    from flower.views import BaseHandler

    BaseHandler.get_broker = lambda handler: Queues(app)
