"""A look at the fleet now and then, with Celery's connections."""

from contextlib import suppress
from threading import Lock

from celery import Celery
from kombu.exceptions import ChannelError, OperationalError
from redis.exceptions import RedisError

from models import report
from models.report import Fleet
from producer.gauge import Gauge


class Load:
    """Keeps a gauge up to date. For several threads."""

    def __init__(self, app: Celery, *, key_prefix: str = "") -> None:
        self._app = app
        self._key = key_prefix + report.KEY
        self._lock = Lock()
        self._gauge = Gauge()

    def check(self, lane: str) -> None:
        """Raises Overloaded, with an estimate of the drain time, if no more may wait."""
        if self._gauge.is_full(lane):
            self.look(lane)
        if self._gauge.is_full(lane):
            raise self._gauge.overloaded(lane)

    def sent(self, lane: str) -> None:
        """One more is on its way. Looks again, if it is time, while the captcha is being read."""
        with self._lock:
            self._gauge.sent(lane)
        # It is sent, whatever becomes of the look.
        with suppress(OperationalError, RedisError, OSError, RuntimeError):
            self.look(lane)

    def look(self, lane: str) -> None:
        """Ask the servers, if the last look is old; raises their errors."""
        with self._lock:
            if self._gauge.is_fresh(lane):
                return
            with self._app.producer_pool.acquire() as producer:
                try:
                    declared = producer.channel.queue_declare(lane, passive=True)
                    waiting = declared.message_count
                except ChannelError:
                    waiting = 0
            fleet = Fleet()
            client = getattr(self._app.backend, "client", None)
            if client is not None and hasattr(client, "hvals"):
                pipeline = client.pipeline(transaction=False)
                now, lines = pipeline.time().hvals(self._key).execute()
                fleet = Fleet.read(now[0], lines)
            self._gauge.saw(fleet, {lane: waiting})
