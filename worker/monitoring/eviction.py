"""Says which keys a server throws away when its memory is full, and which setting changes that."""

import logging
from typing import Any

from celery import bootsteps
from celery.backends.redis import RedisBackend
from celery.worker.consumer.connection import Connection
from redis.exceptions import RedisError

from tilefleet.urls import without_password

logger = logging.getLogger(__name__)


class Eviction(bootsteps.StartStopStep):
    """A Consumer bootstep: looks whenever a connection is made, as the server may be another one.

    It says it once, and again when the answer has changed.
    """

    label = "Eviction"
    requires = (Connection,)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._told: dict[str, str] = {}

    def start(self, c: Any) -> None:
        settings, backend = c.app.settings, c.app.backend
        broker, results = settings.broker_url, settings.result_backend
        if c.connection.transport.driver_type == "redis":
            with c.connection.default_channel.conn_or_acquire() as client:
                self._look(client, without_password(broker), queues=True)
        if results != broker and isinstance(backend, RedisBackend):
            self._look(backend.client, without_password(results), queues=False)

    def stop(self, c: Any) -> None:
        """Nothing: the connection is the consumer's."""

    def _look(self, client: Any, server: str, *, queues: bool) -> None:
        """`server`: its URL without the password; `queues`: whether it has those too."""
        try:
            memory = client.info("memory")
        except (RedisError, OSError) as error:
            logger.info("Whether %s evicts keys is not known: %s", server, error)
            return
        policy = str(memory.get("maxmemory_policy", "noeviction"))
        if self._told.get(server, "noeviction") != policy and policy != "noeviction":
            logger.warning(
                "%s, when its memory is full (maxmemory %s), evicts by maxmemory-policy %s %s; "
                "set maxmemory-policy noeviction",
                server,
                memory.get("maxmemory_human", "unknown"),
                policy,
                _what(policy, queues=queues),
            )
        self._told[server] = policy


def _what(policy: str, *, queues: bool) -> str:
    if not queues:
        return "results that nobody has read yet"
    if policy.startswith("allkeys"):
        return "any key, captchas that wait or are claimed and their results too"
    return (
        "keys that expire: the images of lists that wait, results that nobody has read yet, and "
        "how much may wait"
    )
