"""A snapshot of the whole fleet: who works, what they have counted, what waits. No remote control.

Workers tell it themselves, once a second, into a hash (`tilefleet.report`); a look is a few reads.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from typing import Any

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError, ResponseError

from producer.client import backlog
from producer.client.connection import connect_now, why
from producer.monitoring.celery_app import application, living
from producer.monitoring.deadline import within
from tilefleet import wire
from tilefleet.errors import FleetUnreachable
from tilefleet.report import Report
from tilefleet.settings import Settings
from tilefleet.urls import parse, without_password

#: Seconds for one look; its connections wait a little longer for a reply (`wire.TIMEOUT_S`), so
#: that it is the same error whichever of them hangs.
_LOOK_S = 4.0


@dataclass(frozen=True, slots=True)
class View:
    """What one look saw."""

    #: Workers that live, by name.
    workers: Mapping[str, Report] = field(default_factory=dict)
    #: Messages that wait, by lane.
    waiting: Mapping[str, int] = field(default_factory=dict)
    #: Seconds that the oldest of these has waited, by its sender's clock; a lane of which that is
    #: not known, or may not be asked, is left out.
    oldest_s: Mapping[str, float] = field(default_factory=dict)
    #: Messages that workers have taken and not answered yet; what is parked until it is due is not
    #: among them.
    claimed: int = 0


class Watch(AbstractContextManager["Watch"]):
    """Connections to look with."""

    def __init__(self, settings: Settings) -> None:
        self.server = without_password(settings.broker_url)
        self._settings = settings
        # Who may look at the fleet need not be one who may read what waits: an account of its own
        # is not tried, as the server would write that down each time.
        self._may_read = not any(each.user for each in parse(settings.broker_url))
        self._app = application("tilefleet-watch", settings)
        self._store = connect_now(settings.result_backend, settings)
        self._connection = self._app.connection_for_read()

    def __exit__(self, *_: object) -> None:
        with suppress(OperationalError, RedisError, OSError):
            self._connection.release()
        self._store.close()
        self._app.close()

    def look(self) -> View:
        """What is so now; raises FleetUnreachable, after some seconds at the latest."""
        try:
            return within(_LOOK_S, self._look, server=self.server)
        except FleetUnreachable:
            # What it was said on may hang: another one, next time.
            self._connection = self._app.connection_for_read()
            raise

    def _look(self) -> View:
        try:
            workers = living(self._store, self._settings)
            channel = self._connection.default_channel
            read = {lane for each in workers.values() for lane in each.bounds}
            lanes = [*wire.LANES, *sorted(read - {*wire.LANES})]
            # Not kombu's way to ask for a queue that is there: it forgets the key prefix.
            waiting = {lane: int(channel._size(lane)) for lane in lanes}
            oldest_s = self._oldest(channel, lanes)
        except (OperationalError, RedisError, OSError, RuntimeError) as error:
            with suppress(OperationalError, RedisError, OSError):
                self._connection.close()
            raise FleetUnreachable(f"{self.server}: {why(error)}") from None
        # What workers tell, not the length of `unacked`: other applications keep theirs there too.
        claimed = sum(report.figures.claimed for report in workers.values())
        return View(workers, waiting, oldest_s, claimed)

    def _oldest(self, channel: Any, lanes: Sequence[str]) -> dict[str, float]:
        arguments = backlog.oldest_arguments(lanes, key_prefix=self._settings.key_prefix)
        command = ("EVAL_RO", backlog.OLDEST, *arguments)
        if not self._may_read:
            return {}
        try:
            return backlog.oldest_s(lanes, channel.client.execute_command(*command))
        except ResponseError:
            self._may_read = False
            return {}
