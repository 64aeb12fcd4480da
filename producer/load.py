"""How much waits, and whether one more may: a sender's look at the fleet, now and then."""

from collections import Counter
from contextlib import suppress
from threading import Lock
from time import monotonic

from celery import Celery
from kombu.exceptions import ChannelError, OperationalError
from redis.exceptions import RedisError

from models import report
from models.errors import Overloaded
from models.report import Fleet

#: Seconds for which a look is good.
_FRESH_S = 0.25


class Load:
    """What waits in each lane, and the bounds that the workers have set. For several threads.

    Without a worker there is no bound: captchas wait for the first one.
    """

    def __init__(self, app: Celery, *, key_prefix: str = "") -> None:
        self._app = app
        self._key = key_prefix + report.KEY
        self._lock = Lock()
        self._fleet = Fleet()
        self._waiting: dict[str, int] = {}
        self._sent: Counter[str] = Counter()
        self._looked: dict[str, float] = {}

    def check(self, lane: str) -> None:
        """Raises Overloaded, with an estimate of the drain time, if no more may wait."""
        if self._is_full(lane) and not self._is_fresh(lane):
            self.look(lane)
        if self._is_full(lane):
            raise self._overloaded(lane)

    def sent(self, lane: str) -> None:
        """One more is on its way. Looks again, if it is time, while the captcha is being read."""
        with self._lock:
            self._sent[lane] += 1
        if not self._is_fresh(lane):
            # It is sent, whatever becomes of the look.
            with suppress(OperationalError, RedisError, OSError, RuntimeError):
                self.look(lane)

    def look(self, lane: str) -> None:
        """Ask the servers; raises their errors."""
        with self._lock:
            if self._is_fresh(lane):
                return
            self._looked[lane] = monotonic()
            with self._app.producer_pool.acquire() as producer:
                try:
                    declared = producer.channel.queue_declare(lane, passive=True)
                    self._waiting[lane] = declared.message_count
                except ChannelError:
                    self._waiting[lane] = 0
            self._sent[lane] = 0
            client = getattr(self._app.backend, "client", None)
            if client is not None and hasattr(client, "hvals"):
                pipeline = client.pipeline(transaction=False)
                now, lines = pipeline.time().hvals(self._key).execute()
                self._fleet = Fleet.read(now[0], lines)

    def _is_fresh(self, lane: str) -> bool:
        return monotonic() - self._looked.get(lane, float("-inf")) < _FRESH_S

    def _is_full(self, lane: str) -> bool:
        bound = self._fleet.bounds.get(lane)
        return bound is not None and self._waiting.get(lane, 0) + self._sent[lane] >= bound

    def _overloaded(self, lane: str) -> Overloaded:
        waiting = self._waiting.get(lane, 0) + self._sent[lane]
        drain_s = self._fleet.drain_s(waiting)
        drained = "" if drain_s is None else f"; they are read in about {drain_s:.1f} s"
        error = Overloaded(
            f"{waiting} wait on {lane}, and {self._fleet.bounds[lane]} may with "
            f"{self._fleet.workers} workers{drained}"
        )
        error.drain_s = drain_s
        return error
