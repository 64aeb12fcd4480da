"""A worker's place in the fleet, whatever its pool: its name, and what is told under it.

A Worker bootstep between the pool, which may fork, and what takes time to start.
"""

import logging
import os
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any

from celery import bootsteps
from celery.backends.redis import RedisBackend
from celery.utils.nodenames import nodesplit
from redis.exceptions import RedisError

from tilefleet import wire
from tilefleet.figures import Figures
from tilefleet.report import Report
from tilefleet.urls import hello, without_password
from worker import transport
from worker.monitoring import name
from worker.monitoring.line import Line
from worker.monitoring.reporter import Reporter

logger = logging.getLogger(__name__)


def take_name(worker: Any, *, named: bool) -> None:
    """Give Celery's worker a name of its own, before it is used; needs the server to know.

    `named`: it was given one, which it keeps if no other worker has it.
    """
    app, host = worker.app, nodesplit(worker.hostname)[1]
    if not named:
        # Unless the server says which number is free.
        worker.hostname = f"tilefleet@{host}-{os.getpid()}"
    worker.wanted_name = worker.hostname
    if not isinstance(app.backend, RedisBackend):
        worker.line = None
        return
    worker.line = Line(
        app.backend,
        worker.hostname,
        clock=app.server_clock,
        key_prefix=app.settings.key_prefix,
        fetches=transport.is_installed(),
    )
    try:
        _refuse_cluster(app)
        name.take(worker.line, None if named else name.unnamed(host))
        worker.line.hang_up()
    except (RedisError, OSError) as error:
        logger.info("Whether another worker is called %s is not known: %r", worker.hostname, error)
    worker.hostname = worker.line.node
    if not named:
        worker.wanted_name = worker.hostname


def _refuse_cluster(app: Any) -> None:
    """Raises SystemExit with what to use instead, and what redis-py raises."""
    if hello.is_cluster(app.backend.client.execute_command("HELLO")):
        server = without_password(app.settings.result_backend)
        raise SystemExit(f"tilefleet: {hello.refusal(server)}")


def lanes(worker: Any) -> list[str]:
    """Those that it reads while it is connected; remote control may change them."""
    return sorted(filter(wire.is_lane, worker.app.amqp.queues.consume_from))


def change_lanes(worker: Any, old: str, new: str, swap: Callable[[], object]) -> None:
    """Do `swap` while neither of two models' own lanes are read; then those of `new` are, as far
    as those of `old` were. On the hub thread."""
    consumer, queues = worker.consumer, worker.app.amqp.queues
    if old == new:
        swap()
        return
    read = [bulk for bulk in (False, True) if wire.lane(old, bulk=bulk) in queues.consume_from]
    connected = consumer is not None and consumer.task_consumer is not None
    for bulk in read:
        (consumer.cancel_task_queue if connected else queues.deselect)(wire.lane(old, bulk=bulk))
    swap()
    for bulk in read:
        lane = wire.lane(new, bulk=bulk)
        add = consumer.add_task_queue if connected else queues.select_add
        add(lane, exchange=lane, routing_key=lane)


def bounds(worker: Any) -> dict[str, int]:
    """Most messages that may wait for this worker, by lane: of those that it reads now."""
    consumer = getattr(worker, "consumer", None)
    if consumer is None or consumer.connection is None:
        return {}
    settings = worker.app.settings
    return {
        lane: settings.max_waiting_bulk if wire.is_bulk(lane) else settings.max_waiting
        for lane in lanes(worker)
    }


class Presence(bootsteps.StartStopStep):
    """Tells that the worker lives."""

    requires = ("celery.worker.components:Pool",)
    label = "presence"

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        worker.reporter = None

    def include_if(self, worker: Any) -> bool:
        return getattr(worker, "line", None) is not None

    def create(self, worker: Any) -> "Presence":
        worker.reporter = Reporter(worker.line)
        return self

    def start(self, worker: Any) -> None:
        if worker.engine_room is None:
            # Its processes have the networks; how they get on is not known here.
            worker.reporter.tell(partial(self._report, worker, monotonic()))
        worker.reporter.start()
        if worker.hostname != worker.wanted_name:
            # Only now is there a log to say it in.
            logger.warning(
                "Another worker is called %s: this one is %s", worker.wanted_name, worker.hostname
            )

    def register_with_event_loop(self, worker: Any, hub: Any) -> None:
        """It takes captchas from now on; said again after each reconnection."""
        worker.reporter.write_now()

    def stop(self, worker: Any) -> None:
        worker.reporter.close()

    terminate = stop

    @staticmethod
    def _report(worker: Any, began: float) -> Report:
        figures = Figures(
            uptime_s=round(monotonic() - began, 3),
            engine="prefork",
            lanes=worker.pool.num_processes,
        )
        model, *others = worker.app.settings.models
        return Report(0.0, bounds(worker), model, figures, others=tuple(others))
