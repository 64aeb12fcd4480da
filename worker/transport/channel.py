"""Claiming messages: many at once, recorded by the same step that takes them off their queue.

kombu's channel waits with BRPOP, whose reply is a message that the server has already forgotten.
Here the same connection, at the same places of kombu's event loop, carries `scripts.EXCHANGE`:

::

    claim sent ──reply──→ as many as asked for: the next claim is sent, and these are delivered
        ↑     └─reply──→ fewer: delivered, and armed
        └──── a queue has changed (the server tells), or there is something to acknowledge

While armed the connection waits for the server's word that one of the queues that it has just
looked at has changed (`tracking`); that takes no message off any queue. Where the server or the
account does not allow it, the queues are looked at every `POLL_S`.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from queue import Empty
from time import monotonic, time
from typing import Any, ClassVar
from uuid import uuid4

from kombu.transport import redis
from kombu.utils.json import dumps
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from tilefleet import wire
from tilefleet.errors import reason
from tilefleet.report import ServerClock
from worker import fast_json
from worker.transport import beside, scripts
from worker.transport.claim import Claim, Claimed
from worker.transport.counts import counts
from worker.transport.message import Base64, Message, Unreadable, parse
from worker.transport.order import is_first
from worker.transport.qos import QoS
from worker.transport.short_way import ShortWay
from worker.transport.silence import silence
from worker.transport.tracking import POLL_S, Tracking

logger = logging.getLogger(__name__)

#: Most messages claimed at once, and most acknowledged with them.
_MOST_CLAIMED = 64
_MOST_ACKNOWLEDGED = 1000
#: Bytes read at once of what the server sends: a claim's reply is up to a megabyte, and between
#: redis-py's parts of 32 kB the hub thread may wait for those that read captchas each time.
_READ_AT_ONCE = 256 << 10
#: Characters of a body that is written by orjson when it is published.
_LONG = 4096


class Channel(redis.Channel):
    """kombu's Redis channel with another way to consume."""

    QoS = QoS
    Message = Message
    codecs: ClassVar[dict[str, Any]] = {**redis.Channel.codecs, "base64": Base64()}

    def __init__(self, *args: Any, **options: Any) -> None:
        # Tags are ours, so that a late acknowledgement cannot hit what another has claimed since.
        self._tag_prefix = f"{uuid4().hex}:"
        self._last_tag = 0
        #: Queues that single messages were got from.
        self._got_from: set[str] = set()
        #: The claim whose reply has not been read, and when it was sent, Unix time.
        self._claim: Claim | None = None
        self._asked = 0.0
        #: What hears the server's time with each claim.
        self.clock: ServerClock | None = None
        #: Whether bodies are deleted along with it, for which there is a reply of its own.
        self._deletes = False
        #: Whether the connection waits for the server's word.
        self._armed = False
        self._tracking = Tracking()
        #: The least prefetch that was asked for; Celery adds to it what it holds until it is due.
        self._least_prefetch = 0
        #: How many have heard what was published last, of each topic.
        self.receivers: list[int] | None = None
        #: What may take messages before kombu makes anything of them.
        self.short_way: ShortWay | None = None
        with silence.noticed():
            # It asks the server whether it is there.
            super().__init__(*args, **options)
        silence.end()
        if not self.ack_emulation:
            raise ValueError(
                "ack_emulation=False loses messages and is not for this transport; "
                "TILEFLEET_TRANSPORT=stock allows it"
            )

    # One client instead of one for each operation ----------------------------------------------

    @contextmanager
    def conn_or_acquire(self, client: Any = None) -> Iterator[Any]:
        silence.check()
        with silence.noticed():
            yield client or self._shared_client

    @cached_property
    def _shared_client(self) -> Any:
        return self._create_client()

    def _get_pool(self, asynchronous: bool = False) -> Any:
        pool = super()._get_pool(asynchronous)
        pool.connection_kwargs.setdefault("socket_read_size", _READ_AT_ONCE)
        return pool

    def _disconnect_pools(self) -> None:
        self.__dict__.pop("_shared_client", None)
        super()._disconnect_pools()

    def run_script(self, script: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        """EVAL, not EVALSHA: a kilobyte more, and no NOSCRIPT after a restart or failover."""
        with self.conn_or_acquire() as client:
            prefixed = self.prefixed(keys)
            return client.execute_command("EVAL", script, len(keys), *prefixed, *arguments)

    def prefixed(self, keys: Sequence[str]) -> list[str]:
        """As the server has them."""
        return [self.global_keyprefix + key for key in keys]

    def _put_fanout(self, exchange: str, message: Any, routing_key: str, **options: Any) -> None:
        """Dozens of events in one message: text that kombu would go through in Python."""
        if options.get("_publish_batch") is not None:
            super()._put_fanout(exchange, message, routing_key, **options)
            return
        text = (fast_json.encode if len(message.get("body", "")) >= _LONG else dumps)(message)
        with self.conn_or_acquire() as client:
            topics = self._get_publish_topics(exchange, routing_key)
            self.receivers = [client.publish(topic, text) for topic in topics]

    # Consuming: the poller calls these, two of them by the names of what they replace ------------

    def _brpop_start(self, timeout: float | None = None) -> None:
        """Send a claim for as much as may be claimed, and what is to be acknowledged."""
        self._send_claim()

    def _send_claim(self, *, pending: int = 0) -> None:
        """`pending`: messages that are claimed and not delivered yet."""
        queues = self._queue_cycle.consume(len(self.active_queues))
        if not queues:
            return
        connection = self.client.connection
        self._tracking.ask(connection, self.prefixed((self.unacked_key, self.unacked_index_key)))
        tags = list(islice(self.qos.acknowledged, _MOST_ACKNOWLEDGED))
        claim = self._new_claim(queues, *self._room(pending), tags)
        self._in_poll = connection
        self._brpop_sent_at = monotonic()
        keys = self.prefixed(claim.keys)
        # Without redis-py's PING: where that fails, it may connect anew behind the poller's back.
        arguments = ("EVAL", scripts.EXCHANGE, len(keys), *keys, *claim.arguments)
        bodies = self.qos.take_unneeded()
        if bodies:
            connection.send_command("DEL", *self.prefixed(bodies), check_health=False)
        connection.send_command(*arguments, check_health=False)
        self._claim, self._asked, self._deletes = claim, time(), bool(bodies)

    def _brpop_read(self, **options: Any) -> bool:
        """Read what has come: what was claimed, or the server's word."""
        if self._claim is None:
            self.listen()
            raise Empty
        try:
            claimed = self._read_claim()
        finally:
            # Between two claims is the safe moment for it.
            self._flush_brpop_reauth()
        try:
            if not self._armed and self._has_room(pending=len(claimed)):
                # The server claims while these are delivered.
                self._send_claim(pending=len(claimed))
        finally:
            self._deliver(claimed)
        if not claimed:
            raise Empty
        return True

    def _has_room(self, *, pending: int) -> bool:
        """Whether what is claimed now will be welcome, with so many on top of what is held."""
        prefetch = self.qos.prefetch_count
        crowded = self.qos.is_crowded or (prefetch and self.qos.held_count + pending >= prefetch)
        return bool(self.active_queues) and not crowded

    def _deliver(self, claimed: Sequence[Claimed]) -> None:
        claimed, bodies = beside.fetch(self, claimed)
        if self.short_way is not None:
            self.short_way.deliver(self, claimed, bodies)
            return
        for each in claimed:
            self.deliver_one(each, bodies.get(each.tag))

    @property
    def claiming(self) -> bool:
        """Whether the reply to a claim is awaited."""
        return self._claim is not None

    def listen(self) -> None:
        """Read what the server says unasked: that a queue has changed, or that it goes away."""
        connection = self.client.connection
        try:
            # All of it: what is left unread would keep the event loop awake until more is claimed.
            while connection.can_read(timeout=0):
                connection.read_response(push_request=True)
        except self.connection_errors:
            self._lost()
            raise
        if self._tracking.told:
            self.disarm()

    def settle(self) -> None:
        """Send acknowledgements: with the next claim, where there is going to be one."""
        if not self._qos:
            return
        self.qos.flush_parked()
        if not self.qos.acknowledged:
            return
        self.disarm()
        if not self._claim and not (self.active_queues and self.qos.can_consume()):
            self.qos.flush()

    def _on_connection_disconnect(self, connection: Any) -> None:
        """The connection is gone, whoever closed it: no reply to the claim that was sent on it will
        come."""
        client = self.__dict__.get("client")
        if client is not None and client.connection is connection:
            self._armed, self._claim = False, None
        super()._on_connection_disconnect(connection)

    def _flush_brpop_reauth(self) -> None:
        """While armed no reply is awaited: a new token can be sent."""
        if self._armed and self._pending_reauth_token(self.client.connection) is not None:
            self.disarm()
        super()._flush_brpop_reauth()

    def _update_queue_cycle(self) -> None:
        """The set of queues changed, and the server tracks the keys of the old one: claim again,
        which tracks those of the new one."""
        super()._update_queue_cycle()
        self.disarm()

    def disarm(self) -> None:
        """Stop waiting for the server's word; the next turn of the loop sends a claim."""
        if self._armed:
            self._armed = self._in_poll = False

    @property
    def longest_wait(self) -> float:
        """Seconds after which the queues are looked at again in any case."""
        return float(self.brpop_timeout or 1) if self._tracking.on else POLL_S

    def basic_get(self, queue: str, no_ack: bool = False, **options: Any) -> Any:
        """One message, at once or not at all."""
        self._got_from.add(queue)
        claim = self._new_claim([queue], 1, 1, 0, [])
        reply = self.run_script(scripts.EXCHANGE, claim.keys, claim.arguments)
        with self.conn_or_acquire() as client:
            self._maybe_update_queues_expire(client, queue)
        claimed, bodies = beside.fetch(self, list(claim.read(reply)))
        for each in claimed:
            message = self.Message(self._payload(each, bodies.get(each.tag)), channel=self)
            self.qos.append(message, each.tag)
            if no_ack:
                self.qos.ack(each.tag)
            return message
        return None

    @property
    def own_queues(self) -> set[str]:
        """Those whose claimed messages this application may give back."""
        return {*wire.LANES, *self.active_queues, *self._got_from}

    def close(self) -> None:
        self.disarm()
        if not self.closed:
            try:
                silence.check()
                if self._claim:
                    self.qos.restore([each.tag for each in self._read_claim()])
                if self._qos:
                    self._qos.flush_parked()
                    self._qos.flush()
            except (*self.connection_errors, ResponseError) as error:
                if self._claim or self.qos.acknowledged or self.qos.held():
                    logger.warning("What is claimed comes back when its lease ends: %r", error)
            self._claim = None
            self.disarm()
        super().close()

    # Parts ---------------------------------------------------------------------------------------

    def basic_qos(
        self, prefetch_size: int = 0, prefetch_count: int = 0, apply_global: bool = False
    ) -> None:
        super().basic_qos(prefetch_size, prefetch_count, apply_global)
        self._least_prefetch = min(prefetch_count, self._least_prefetch or prefetch_count)

    def _room(self, pending: int) -> tuple[int, int, int]:
        """How much may be claimed: from the first queues, from all the others, and on top of that
        from long ones.

        A third of the prefetch is the first queues' alone: however much of the others is in the
        worker already, what comes there is claimed at once. While much waits anyway it is claimed
        in larger parts, each of which costs as much as a small one.
        """
        prefetch = self.qos.prefetch_count
        if not prefetch:
            return _MOST_CLAIMED, _MOST_CLAIMED, 0
        room = max(0, prefetch - self.qos.held_count - pending)
        of_the_rest = 0 if self.qos.is_crowded else max(0, room - self._least_prefetch // 3)
        most = min(room, _MOST_CLAIMED)
        on_top = 0 if self.qos.is_crowded else _MOST_CLAIMED - max(most, len(self.qos.on_top))
        return most, min(of_the_rest, _MOST_CLAIMED), max(0, on_top)

    def _new_claim(
        self, queues: Sequence[str], most: int, most_of_rest: int, on_top: int, tags: Sequence[str]
    ) -> Claim:
        """Each queue is emptied, priority by priority, before the next one is looked at.

        Their order is that of `queue_order_strategy` (`worker.transport.order` in our settings).
        """
        first = sum(map(is_first, queues))
        lists = [
            (each, self._q_for_pri(each, step)) for each in queues for step in self.priority_steps
        ]
        claim = Claim.make(
            (self.unacked_key, self.unacked_index_key),
            lists,
            few=(first or 1) * len(self.priority_steps) if len(queues) > 1 else len(lists),
            most=most,
            most_of_rest=most_of_rest,
            on_top=on_top,
            tags=tags,
            prefix=self._tag_prefix,
            before_first=self._last_tag,
        )
        self._last_tag += most + on_top
        return claim

    def _read_claim(self) -> list[Claimed]:
        """The reply to the claim; arms the connection if the queues had fewer than asked for."""
        claim = self._claim
        assert claim is not None
        connection = self.client.connection
        try:
            if self._deletes:
                self._read_deletion(connection)
            reply = connection.read_response()
        except ResponseError as error:
            # A replica after a failover, an account without the right, a key of another type: the
            # connection is made anew, after a pause, and says so in the log.
            self._lost()
            raise RedisConnectionError(f"claiming failed: {error}") from error
        except self.connection_errors:
            self._lost()
            raise
        self._claim = None
        if self.clock is not None:
            self.clock.heard(float(reply[0]), asked=self._asked, answered=time())
        self.qos.confirm(claim.acknowledged)
        claimed = list(claim.read(reply))
        self.qos.on_top.update(each.tag for each in claimed if each.on_top)
        counts.exchanges += 1
        counts.claimed += len(claimed)
        self._armed, self._tracking.told = claim.has_all(reply), False
        if not self._armed:
            self._in_poll = False
        elif self._tracking.on:
            # The word may have been read together with the reply.
            self.listen()
        elif (call_later := self.connection.cycle.call_later) is not None:
            call_later(POLL_S, self.disarm)
        return claimed

    def _read_deletion(self, connection: Any) -> None:
        self._deletes = False
        try:
            connection.read_response()
        except ResponseError as error:
            logger.warning("What is answered stays until it expires: %s", error)

    def _lost(self) -> None:
        """Close the connection; the next turn of the loop makes another one."""
        self._armed = self._in_poll = False
        self._claim = None
        self.client.connection.disconnect()

    def deliver_one(self, claimed: Claimed, body: bytes | None = None) -> None:
        """Kombu's way; `body`: where that is not in the message."""
        try:
            self.connection._deliver(self._payload(claimed, body), claimed.queue)
        except Unreadable as error:
            counts.unreadable += 1
            size = len(claimed.text)
            logger.error("%d bytes on %s are no message: %s", size, claimed.queue, error)
            self.qos.ack(claimed.tag)
            return
        if not self.qos.has(claimed.tag):
            # A no_ack consumer: kombu kept no delivery to acknowledge later.
            self.qos.ack(claimed.tag)

    def _payload(self, claimed: Claimed, body: bytes | None) -> Any:
        try:
            payload = parse(claimed.text)
            payload["properties"]["delivery_tag"] = claimed.tag
            if body is not None:
                beside.put_in(payload, body)
        except Exception as error:
            # Of any class: nesting too deep for the parser is a RecursionError.
            raise Unreadable(reason(error)) from None
        return payload


class SentinelChannel(Channel, redis.SentinelChannel):
    """The same where sentinels say which server it is."""
