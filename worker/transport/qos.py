"""Which messages this channel has claimed: acknowledging them, giving them back, their leases."""

import logging
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from time import monotonic
from typing import Any

from kombu.transport import redis, virtual
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import dumps, loads
from redis.exceptions import ResponseError

from tilefleet.errors import reason
from worker.transport import scripts
from worker.transport.counts import counts
from worker.transport.set_back import SetBack

logger = logging.getLogger(__name__)

#: Most overdue messages that are put back in one step.
_MOST_RESTORED = 100
#: Most claimed messages, other applications' and parked ones too, that are looked at in one step.
_MOST_LOOKED_AT = 1000
#: Bytes of messages held here above which no more are claimed.
_MOST_BYTES = 64 << 20
_ANY_TIME = "1e18"


class QoS(redis.QoS):
    """As kombu's, in batches, and by scripts instead of WATCH."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        #: Tags that the server has not been told about yet.
        self.acknowledged: deque[str] = deque()
        #: Tags of what was claimed of a long queue, on top of the prefetch.
        self.on_top: set[str] = set()
        #: Messages that are to be parked: tag, the end of their list's name, Unix time.
        self._parking: list[tuple[str, str, float]] = []
        #: Bytes of what is held, by tag and together.
        self._sizes: dict[str, int] = {}
        self.held_bytes = 0
        #: Keys of bodies that are beside their messages, by tag; and of those that nobody needs any
        #: more, as their messages are acknowledged.
        self.beside: dict[str, str] = {}
        self._unneeded: list[str] = []
        #: How many overdue messages of other applications the next look passes over.
        self._others = 0
        self._set_back = SetBack()

    def append(self, message: Any, delivery_tag: str) -> None:
        """The claim has recorded it already."""
        # Whatever a sender calls a body: what cannot be one is refused where it is read.
        size = len(message.body) if isinstance(message.body, str | bytes) else 0
        self._hold(message, delivery_tag, size)

    def hold(self, tag: str, size: int) -> None:
        """The same for what has no kombu message; `size`: of its body, bytes."""
        self._hold(None, tag, size)

    def _hold(self, message: Any, tag: str, size: int) -> None:
        self._sizes[tag] = size
        self.held_bytes += size
        virtual.QoS.append(self, message, tag)

    def can_consume(self) -> bool:
        """Neither too many messages nor too many bytes are held."""
        room = not self.prefetch_count or self.held_count < self.prefetch_count
        return room and self.held_bytes < _MOST_BYTES

    @property
    def is_crowded(self) -> bool:
        """Whether what is not urgent has to wait elsewhere."""
        return self.held_bytes > _MOST_BYTES // 2

    def ack(self, delivery_tag: str) -> None:
        """In an event loop the next exchange with the server carries it; else it goes at once."""
        self._let_go(delivery_tag)
        if self._is_closed:
            # Its connection was lost meanwhile: it is back on its queue, or will be when its lease
            # ends. Its result is stored; whoever gets it finds that.
            return
        self.acknowledged.append(delivery_tag)
        if not self.channel.connection.cycle.in_event_loop:
            self.flush()

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        if requeue:
            self.beside.pop(delivery_tag, None)
            if not self._is_closed:
                self.restore_by_tag(delivery_tag, leftmost=True)
            self._let_go(delivery_tag)
        else:
            self.ack(delivery_tag)

    @property
    def _is_closed(self) -> bool:
        """Whether the channel has gone, with all that was claimed on it."""
        return self.channel.connection is None

    def park(self, message: Any, due: float) -> None:
        """Hold it no more; its lease ends when it is due, Unix time by the server's clock."""
        tag = message.delivery_tag
        envelope = {"properties": message.properties}
        priority = self.channel._get_message_priority(envelope, reverse=False)
        behind = self.channel._q_for_pri("", priority)
        self._parking.append((tag, behind, due))
        self.beside.pop(tag, None)
        self._let_go(tag)

    def _let_go(self, tag: str) -> None:
        self.held_bytes -= self._sizes.pop(tag, 0)
        self.on_top.discard(tag)
        virtual.QoS.ack(self, tag)

    def flush_parked(self) -> None:
        """Tell the server what is parked, now."""
        if not self._parking:
            return
        parking, self._parking = self._parking, []
        arguments = [self.visibility_timeout, *(each for parked in parking for each in parked)]
        self.channel.run_script(scripts.PARK, [self.unacked_key, self.unacked_index_key], arguments)

    def flush(self) -> None:
        """Tell the server what is acknowledged, now."""
        tags: list[str] = []
        with suppress(IndexError):
            while True:
                # Each goes to one thread, however many acknowledge.
                tags.append(self.acknowledged.popleft())
        try:
            if tags:
                with self.pipe_or_acquire() as pipe:
                    pipe.zrem(self.unacked_index_key, *tags).hdel(self.unacked_key, *tags).execute()
        except BaseException:
            self.acknowledged.extendleft(reversed(tags))
            raise
        self._forget_bodies(tags)
        if keys := self.take_unneeded():
            with self.channel.conn_or_acquire() as client, suppress(ResponseError):
                # kombu's client puts the prefix in front of these, though not of MGET's.
                client.delete(*keys)

    def take_unneeded(self) -> list[str]:
        """Keys that may be deleted; once each."""
        keys, self._unneeded = self._unneeded, []
        return keys

    def _forget_bodies(self, tags: Iterable[str]) -> None:
        """Not before their messages are acknowledged: whoever gets one again needs its body."""
        self._unneeded += filter(None, (self.beside.pop(tag, None) for tag in tags))

    def confirm(self, count: int) -> None:
        """The server has been told about the oldest `count` acknowledgements."""
        self._forget_bodies([self.acknowledged.popleft() for _ in range(count)])

    def has(self, tag: str) -> bool:
        return tag in self._delivered

    @property
    def held_count(self) -> int:
        """Messages, without those on top."""
        return len(self._delivered) - len(self._dirty) - len(self.on_top)

    def held(self) -> list[str]:
        """Tags of what is delivered here and neither acknowledged nor given back."""
        return [tag for tag in list(self._delivered) if tag not in self._dirty]

    def renew(self) -> None:
        """Begin the lease of everything held here anew."""
        if tags := self.held():
            try:
                self.channel.run_script(scripts.RENEW, [self.unacked_index_key], tags)
            except ResponseError as error:
                logger.warning("Leases could not be renewed: %s", error)

    # Giving back -------------------------------------------------------------------------------

    def restore_by_tag(self, tag: str, client: Any = None, leftmost: bool = False) -> None:
        self.restore([tag], leftmost=leftmost)

    def restore_unacked(self, client: Any = None) -> None:
        """Everything held here; called when the channel is closed."""
        self._flush()
        self.restore(list(self._delivered))
        self._delivered.clear()
        self.beside.clear()
        self._sizes.clear()
        self.on_top.clear()
        self.held_bytes = 0

    def restore(self, tags: Iterable[str], *, leftmost: bool = False) -> int:
        """Give claimed messages back; what another has got since stays his."""
        tags = list(tags)
        if not tags:
            return 0
        with self.channel.conn_or_acquire() as client:
            pipe = client.pipeline(transaction=False)
            for tag in tags:
                pipe.hget(self.unacked_key, tag)
            records = pipe.execute()
        return self._put_back(zip(tags, records, strict=True), _ANY_TIME, leftmost=leftmost)

    def restore_visible(self, start: int = 0, num: int | None = None, interval: int = 1) -> None:
        """Give back what any worker has held for longer than its lease."""
        self._vrestore_count += 1
        if (self._vrestore_count - 1) % (interval or 1):
            return
        try:
            restored = self._restore_overdue(num or _MOST_RESTORED)
        except ResponseError as error:
            logger.warning("Messages of lost workers could not be given back: %s", error)
            return
        if restored:
            counts.restored += restored
            logger.warning("%d messages of lost workers are given back", restored)

    def _restore_overdue(self, most: int) -> int:
        # kombu writes records as its JSON does, and so do we.
        ends = [f" {dumps(queue)}]" for queue in self.channel.own_queues]
        prefix = self.channel.global_keyprefix
        keys = [self.unacked_key, self.unacked_index_key]
        before, self._others, refused, *found = self.channel.run_script(
            scripts.OVERDUE,
            keys,
            [self.visibility_timeout, most, self._others, _MOST_LOOKED_AT, prefix, *ends],
        )
        _say_refused(refused)
        self._set_back.saw(float(before), monotonic())
        if (skip := self._set_back.next) is not None:
            looks = [skip, _MOST_LOOKED_AT, *ends]
            looked, stay = self.channel.run_script(scripts.REBEGIN, keys, looks)
            self._set_back.next = skip + stay if looked == _MOST_LOOKED_AT else None
        if not found:
            return 0
        records = zip(map(bytes_to_str, found[::2]), found[1::2], strict=True)
        return self._put_back(records, bytes_to_str(before))

    def _put_back(
        self, records: Iterable[tuple[str, bytes | None]], before: str, *, leftmost: bool = False
    ) -> int:
        keys = [self.unacked_key, self.unacked_index_key]
        arguments: list[Any] = ["LPUSH" if leftmost else "RPUSH", before]
        for tag, record in records:
            text, lists = self._destination(record)
            keys += lists
            arguments += [tag, text, len(lists)]
        restored: int
        restored, refused = self.channel.run_script(scripts.RESTORE, keys, arguments)
        _say_refused(refused)
        return restored

    def _destination(self, record: bytes | None) -> tuple[str, list[str]]:
        """A message's text, marked as delivered before, and the lists that it goes to."""
        if record is None:
            return "", []
        try:
            message, exchange, routing_key = loads(bytes_to_str(record))
            priority = self.channel._get_message_priority(message, reverse=False)
        except Exception as error:
            # Of any class: nesting too deep for the parser is a RecursionError.
            counts.unreadable += 1
            logger.error("A record of %d bytes is no message: %s", len(record), reason(error))
            return "", []
        with suppress(KeyError, TypeError):
            message["headers"]["redelivered"] = True
            message["properties"]["delivery_info"]["redelivered"] = True
        queues = self.channel._lookup(exchange, routing_key)
        return dumps(message), [self.channel._q_for_pri(queue, priority) for queue in queues]


def _say_refused(why: bytes) -> None:
    """Messages that their queue does not take: a key of another type, a right that is missing."""
    if why:
        logger.warning("Messages stay claimed that cannot be given back: %s", bytes_to_str(why))
