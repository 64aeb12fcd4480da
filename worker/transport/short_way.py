"""A claim's messages to who takes many at once: those that need no kombu `Message`."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from tilefleet import wire
from worker.transport.claim import Claimed
from worker.transport.counts import counts
from worker.transport.message import unwrap
from worker.transport.qos import QoS


class Taker(Protocol):
    """Takes the messages of a claim that it knows all about; the others go kombu's way."""

    def begin(self, qos: QoS) -> bool:
        """A claim's messages come; False: none of them can be taken."""

    def take(self, tag: str, body: bytes, rest: dict[str, Any]) -> bool:
        """Whether it takes this one; `rest`: its envelope, without the body."""

    def end(self) -> None:
        """Do what is to be done with those that were taken."""


class ShortWay:
    """Hands what can be taken to a taker, and all else to kombu, in the order of the claim."""

    def __init__(self, taker: Taker) -> None:
        self._taker = taker

    def deliver(
        self, channel: Any, claimed: Sequence[Claimed], bodies: Mapping[str, bytes | None]
    ) -> None:
        """`bodies`: by tag, those that are beside their messages."""
        taker, qos, consumed = self._taker, channel.qos, channel.connection._callbacks
        open_ = bool(claimed) and taker.begin(qos)
        try:
            for each in claimed:
                opened = unwrap(each.text) if open_ and each.queue in consumed else None
                beside = bodies.get(each.tag)
                if opened is not None and beside is not None:
                    opened = beside, opened[1]
                    opened[1]["headers"].pop(wire.STORED, None)
                if opened is not None and taker.take(each.tag, *opened):
                    qos.hold(each.tag, len(opened[0]))
                    counts.short_way += 1
                    continue
                taker.end()
                channel.deliver_one(each, beside)
        finally:
            taker.end()
