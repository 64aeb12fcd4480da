"""The engine room's place in the worker: a bootstep.

A *Worker* bootstep: it survives reconnections, which restart everything of the consumer. It starts
after the pool, in the process that reads, and before the consumer, so that a worker without a
model takes no message: it stops.
"""

import gc
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

from celery import bootsteps, signals
from celery.platforms import EX_FAILURE

from models import engines
from tilefleet.errors import EngineUnavailable, SettingError, TilefleetError
from tilefleet.report import Report
from worker.engine_room.decoding import share_of_cores
from worker.engine_room.room import EngineRoom
from worker.engine_room.switch import Switch
from worker.hub.coordinator import Coordinator
from worker.hub.events import EventFlush
from worker.monitoring import sentry, status
from worker.monitoring.health import Health
from worker.monitoring.presence import bounds, change_lanes, lanes
from worker.monitoring.reporter import Pace
from worker.results.quarantine import Quarantine
from worker.results.writer import Writer
from worker.transport.counts import counts
from worker.transport.poller import Poller

logger = logging.getLogger(__name__)

#: Most messages that a worker claims, whatever its sessions have use for.
_MOST_CLAIMED = 50_000
#: Containers that Python makes before its collector looks at the young ones: what is on its way at
#: once, some twenty for each captcha, is gone by itself by then.
_YOUNG = 50_000
#: Seconds between renewals of leases while a stopping worker finishes what it claimed.
_RENEWAL_S = 1.0


class EngineRoomStep(bootsteps.StartStopStep):
    """Loads the model; starts and stops what reads."""

    requires = ("worker.monitoring.presence:Presence",)
    label = "engine room"

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        self._settings = worker.app.settings
        self._events: EventFlush | None = None
        self._metrics: Any = None
        self._tracing: Any = None
        self._health: Health | None = None
        #: When it was told to end, by the monotonic clock.
        self._told: float | None = None
        signals.worker_shutting_down.connect(self._is_told)
        worker.engine_room = None
        worker.model_switch = None

    def include_if(self, worker: Any) -> bool:
        """In pools that share this process's memory; others read in their own processes."""
        pool = worker.pool_cls
        in_process = pool.__module__ in ("celery.concurrency.thread", "celery.concurrency.solo")
        return in_process and worker.use_eventloop

    def create(self, worker: Any) -> "EngineRoomStep":
        self._coordinator = Coordinator(worker)
        # The strategy looks for it here, whenever a connection is made.
        worker.engine_room = self._coordinator
        worker.app.dismiss = self._coordinator.dismiss
        if self._settings.health:
            self._health = Health(
                Path(self._settings.health),
                worker,
                self._coordinator,
                reads=lambda: bool(lanes(worker)),
            )
        return self

    def start(self, worker: Any) -> None:
        """In this order: what a part is given is there before it, and all are before they begin."""
        began = monotonic()
        held = self._make_room(worker)
        self._make_parts(worker)
        self._begin(worker)
        most = max(each.max_batch for each in held.values())
        self._bound_claims(worker, most)
        logger.warning(
            "Engine room warm in %.1f s: %s, %d sessions of up to %d captchas",
            monotonic() - began,
            ", ".join(
                f"{each.model} ({type(each).__name__}, {each.precision})" for each in held.values()
            ),
            self._room.sessions,
            max(each.long_batch for each in held.values()),
        )

    def _make_room(self, worker: Any) -> Mapping[str, engines.Engine]:
        """Load and warm the models; gives their engines. Raises SystemExit."""
        try:
            held = engines.load_all(self._settings)
            most_sessions = [worker.concurrency, *(each.max_sessions for each in held.values())]
            sessions = min(filter(None, most_sessions))
            self._room = EngineRoom(
                held,
                sessions=sessions,
                decoders=sessions,
                started=self._coordinator.started,
                done=self._coordinator.read,
                keep_s=self._settings.cache_s,
                cores=partial(share_of_cores, self._settings.processes or 1),
            )
        except TilefleetError as error:
            raise self._unusable(error) from None
        return held

    def _make_parts(self, worker: Any) -> None:
        """What works with the room, and the coordinator with all of it."""
        coordinator, backend = self._coordinator, worker.app.backend
        self._writer = Writer(
            backend, stored=coordinator.stored, heard_s=self._settings.result_once
        )
        self._quarantine = Quarantine(
            self._room,
            backend,
            done=coordinator.read,
            refused=coordinator.refused,
            has_result=coordinator.is_plain,
            key_prefix=self._settings.key_prefix,
        )
        self._pace = Pace(self._room)
        worker.model_switch = Switch(self._room, self._load, partial(self._swap, worker))
        if self._settings.traces:
            self._tracing = self._open_tracing(worker)
        coordinator.open(
            self._room,
            self._writer,
            self._quarantine,
            tracing=self._tracing,
            failed=sentry.reporter(),
        )
        if self._settings.metrics:
            self._metrics = self._open_metrics(worker)

    def _begin(self, worker: Any) -> None:
        """Start the threads, and tell that this worker is there."""
        self._warm = monotonic()
        for part in (self._room, self._quarantine, self._writer, self._coordinator.dismissals):
            part.start()
        if worker.reporter is not None:
            worker.reporter.tell(lambda: self._report(worker))
        if self._health is not None:
            self._health.start(self._room)
        # The loaded models are never garbage: later collections leave them out.
        gc.collect()
        gc.freeze()
        gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])

    def _bound_claims(self, worker: Any, most: int) -> None:
        """How many messages are claimed: `most` is a full pass.

        Enough for every session to be busy with one full pass while the next one waits, and a third
        for captchas that somebody waits for.
        """
        wanted = min(3 * most * self._room.sessions, _MOST_CLAIMED)
        # Zero would be no limit at all, and so would be more than Celery can count.
        worker.consumer.prefetch_multiplier = max(1, wanted // worker.concurrency)
        worker.consumer.initial_prefetch_count = worker.consumer.max_prefetch_count

    def register_with_event_loop(self, worker: Any, hub: Any) -> None:
        """Again after each reconnection, which empties the hub."""
        waker = self._coordinator.waker
        hub.add_reader(waker, self._coordinator.announce)
        waker.wake_on_signals()
        hub.on_tick.add(self._coordinator.turn)
        dispatcher = worker.consumer.event_dispatcher
        self._events = EventFlush(dispatcher, hub) if dispatcher else None
        if self._health is not None:
            self._health.enter()

    def stop(self, worker: Any) -> None:
        """Finish what is claimed, within the time allowed; the rest goes back to the queue."""
        coordinator = self._coordinator
        coordinator.waker.leave_signals()
        if self._health is not None:
            self._health.leave()
        if worker.reporter is not None:
            worker.reporter.close()
        coordinator.hand_on()
        coordinator.announce()
        deadline = (self._told or monotonic()) + self._settings.shutdown_s
        while coordinator.claimed and (left := deadline - monotonic()) > 0:
            # The hub has stopped and this is its thread: announce from here.
            if not coordinator.waker.wait(min(left, _RENEWAL_S)):
                self._renew_leases(worker)
            coordinator.announce()
        if coordinator.claimed:
            logger.warning("%d requests unfinished at shutdown go back", coordinator.claimed)
            self.terminate(worker)
            return
        for part in (self._quarantine, self._room, self._writer, coordinator.dismissals):
            part.close()
        coordinator.announce()
        coordinator.wait_for_executing(deadline)
        coordinator.announce()
        if self._events is not None:
            self._events.flush()
        for open_ in (self._metrics, self._health, self._tracing):
            if open_ is not None:
                open_.close()

    def _is_told(self, **_: Any) -> None:
        # The hub may wait for its server for a while before it hears of it.
        self._told = self._told or monotonic()

    def terminate(self, worker: Any) -> None:
        for part in (self._quarantine, self._room, self._coordinator.dismissals):
            part.abandon()

    def info(self, worker: Any) -> dict[str, Any]:
        """For ``celery inspect stats``: plain figures."""
        stats = self._room.stats()
        stats["durations"]["store"] = self._writer.durations.encode()
        stats |= {
            "pipelines": self._writer.pipelines,
            "claimed": self._coordinator.claimed,
            "errors": dict(self._coordinator.errors),
            "suspects": dict(self._quarantine.counts),
            "transport": counts.encode(),
        }
        return {"engine_room": stats}

    def _open_metrics(self, worker: Any) -> Any:
        """The page for Prometheus; a worker that was to have one does not run without."""
        try:
            # Most workers need no Prometheus library.
            from worker.monitoring.metrics import Metrics, Parts
        except ModuleNotFoundError as error:
            raise self._unusable(
                SettingError.needs("TILEFLEET_METRICS", error, "metrics")
            ) from None
        parts = Parts(
            worker, self._room, self._coordinator, self._writer, self._quarantine, self._pace
        )
        try:
            return Metrics(parts, self._settings.metrics, fleet=self._settings.fleet)
        except SettingError as error:
            raise self._unusable(error) from None

    def _open_tracing(self, worker: Any) -> Any:
        """What tells a collector; a worker that was to trace does not run without."""
        try:
            from worker.monitoring.tracing import Tracing
        except ModuleNotFoundError as error:
            raise self._unusable(SettingError.needs("TILEFLEET_TRACES", error, "tracing")) from None
        return Tracing(worker.app)

    def _unusable(self, why: TilefleetError) -> SystemExit:
        logger.critical("This worker cannot read captchas: %s", why)
        return SystemExit(EX_FAILURE)

    def _load(self, name: str) -> engines.Engine:
        """The engine that this worker has, with another model."""
        if self._settings.engine == "null":
            raise EngineUnavailable("the null engine reads without a model")
        return engines.load(replace(self._settings, models=(name,)), beside=True)

    def _swap(self, worker: Any, old: str, new: str, swap: Callable[[], object]) -> None:
        """On the hub thread, which reads lanes and takes messages in; returns when it is done."""
        done: Future[None] = Future()

        def do() -> None:
            try:
                change_lanes(worker, old, new, swap)
                done.set_result(None)
            except BaseException as error:
                done.set_exception(error)

        self._coordinator.on_hub(do)
        done.result()
        if worker.reporter is not None:
            worker.reporter.write_now()

    def _report(self, worker: Any) -> Report:
        """What the reporter tells once a second."""
        model, *others = (each.engine.model for each in self._room.held)
        told = status.figures(self._room, self._coordinator, self._writer, warm=self._warm)
        return Report(self._pace.measure(), bounds(worker), model, told, others=tuple(others))

    def _renew_leases(self, worker: Any) -> None:
        with suppress(AttributeError):
            poller = worker.consumer.connection.transport.cycle
            if isinstance(poller, Poller):
                poller.renew_leases()
