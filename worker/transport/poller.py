"""Which sockets the event loop waits for, and what it does on every turn."""

from collections.abc import Callable
from contextlib import suppress
from queue import Empty
from typing import Any

from kombu.transport import redis

from worker.transport.silence import silence


class Poller(redis.MultiChannelPoller):
    """As kombu's; before each wait, channels send what they have to say."""

    #: The event loop's; without one, nothing may wait for the loop's next turn.
    call_later: Callable[..., Any] | None = None

    @property
    def in_event_loop(self) -> bool:
        return self.call_later is not None

    def on_poll_start(self) -> None:
        # What came of it is told by timers, which have their own way with errors.
        silence.check()
        for channel in self._channels:
            channel.settle()
        super().on_poll_start()

    def on_readable(self, fileno: int) -> None:
        channel, kind = self._fd_to_chan.get(fileno, (None, None))
        if kind == "BRPOP" and not channel.claiming:
            # The server speaks unasked, whether anything may be consumed or not.
            channel.listen()
            if not channel._in_poll and channel.active_queues and channel.qos.can_consume():
                # Now, rather than on the loop's next turn.
                channel._brpop_start()
            # Nothing was delivered: Empty keeps drain_events() waiting.
            raise Empty
        super().on_readable(fileno)

    def maybe_check_brpop_health(self) -> None:
        super().maybe_check_brpop_health()
        self.claim_again()

    def claim_again(self) -> None:
        """Look at the queues though no change was reported; also shows whether the server lives."""
        for channel in self._channels:
            channel.disarm()

    def renew_leases(self) -> None:
        """Begin the leases of everything held here anew."""
        for channel in self._channels:
            # A broken connection is noticed by what consumes on it.
            with suppress(*channel.connection_errors):
                channel.qos.renew()

    def get(self, callback: Any, timeout: float | None = None) -> Any:
        # Without an event loop there is no timer that looks at the queues again.
        longest = min((channel.longest_wait for channel in self._channels), default=1.0)
        return super().get(callback, longest if timeout is None else min(timeout, longest))
