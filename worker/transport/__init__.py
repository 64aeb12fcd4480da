"""The worker's transport: kombu's for Redis, with messages claimed and acknowledged in batches.

Senders need none of it: messages, queues and the records of what is claimed are those of stock
kombu, so both kinds of worker can share a queue. May import `fast_json`.
"""

import logging
from typing import Any, Final

import kombu
from kombu.transport import TRANSPORT_ALIASES, redis
from redis.exceptions import RedisError

from worker.transport.channel import Channel, SentinelChannel
from worker.transport.poller import Poller

logger = logging.getLogger(__name__)

#: The kombu whose insides these classes are made for.
_TESTED: Final = (5, 7)

_OURS: Final = "worker.transport:Transport"

#: A lease is begun anew this many times before it would end.
_RENEWALS = 3


class Transport(redis.Transport):
    """For ``redis://``, ``rediss://`` and ``redis+socket://``."""

    Channel = Channel
    #: Whatever the server answers instead of what was asked for: read-only after a failover, full,
    #: an account that lost a right. The consumer connects anew, and goes on when the server can.
    connection_errors = (*redis.Transport.connection_errors, RedisError)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.cycle = Poller()

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        super().register_with_event_loop(connection, loop)
        cycle = self.cycle
        cycle.call_later = loop.call_later
        options = connection.client.transport_options
        lease = float(options.get("visibility_timeout", self.Channel.visibility_timeout))
        # Celery cancels the timers of a connection when it makes the next one.
        loop.call_repeatedly(self.brpop_timeout, cycle.claim_again)
        loop.call_repeatedly(lease / _RENEWALS, cycle.renew_leases)


class SentinelTransport(Transport, redis.SentinelTransport):
    """For ``sentinel://``."""

    Channel = SentinelChannel


def is_installed() -> bool:
    """Whether they are that."""
    return bool(TRANSPORT_ALIASES["redis"] == _OURS)


def install() -> None:
    """Make these what Redis URLs mean in this process, those of a failover list too.

    With another kombu than the tested one its own transport stays: an override that nothing calls
    any more would lose messages without a word.
    """
    if kombu.VERSION[:2] != _TESTED:
        logger.warning(
            "kombu is %s, and the batch transport is made for %d.%d: messages are claimed by "
            "kombu's own (TILEFLEET_TRANSPORT=stock)",
            kombu.__version__,
            *_TESTED,
        )
        return
    TRANSPORT_ALIASES.update(
        redis=_OURS,
        rediss=_OURS,
        sentinel="worker.transport:SentinelTransport",
    )
