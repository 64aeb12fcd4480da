"""The Celery application: ``celery -A worker worker`` and ``celery -A worker flower`` find it here.

Celery's own variables and options keep their meaning; what is set here are the defaults that this
fleet needs, each with its reason. Importing this does nothing; settings are read when the
application is first used, which in Celery's commands is their start. From then on kombu has other
decompressors, one more serializer and another Redis transport, for all applications in the process.
"""

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from celery import Celery, signals
from celery.utils.nodenames import default_nodename
from kombu import Exchange, Queue
from redis.backoff import NoBackoff
from redis.retry import Retry

from tilefleet import health, in_the_way, log, wire
from tilefleet.errors import SettingError
from tilefleet.report import ServerClock
from tilefleet.settings import Settings, unknown_variables
from tilefleet.urls import SCHEMES, for_celery
from worker import compression, fast_json, options, transport
from worker.transport.silence import silence

logger = logging.getLogger(__name__)


def _command() -> str:
    """Which of Celery's commands this process runs; empty: none, it is a program or a test."""
    context = click.get_current_context(silent=True)
    root = context.find_root() if context else None
    return (root.invoked_subcommand or "") if root and root.command.name == "celery" else ""


class Application(Celery):
    """Celery's, with our settings as `settings`; both are read at the first use."""

    _settings: Settings

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        #: What the time is by the server's clock; a worker that tells of itself sees it.
        self.server_clock = ServerClock()
        #: Stores that a request is not read, then calls back; none: Celery does, at once.
        self.dismiss: Callable[[Callable[[], object], Callable[[], None]], None] | None = None

    @property
    def settings(self) -> Settings:
        """What the environment says of this process."""
        self.configure()
        return self._settings

    def configure(self) -> None:
        """Be configured from here on; nothing happens if it is."""
        # Not a URL: Celery reads these from its variables, without configuring.
        str(self.conf.worker_pool)

    def on_configure(self) -> None:
        """Raises SettingError; Celery's command, which would print a traceback, ends instead."""
        command = _command()
        try:
            if hidden := in_the_way("models"):
                raise SettingError(hidden)
            settings = self._settings = Settings.from_environ()
            settings.check_one_fleet()
            for name in ("CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL"):
                if os.environ.get(name):
                    raise SettingError(f"{name} is not usable: set CELERY_BROKER_URL")
            if command == "worker" and (why := worker_options().refusal(settings)):
                raise SettingError(why)
        except SettingError as error:
            if command:
                sys.exit(f"tilefleet: {error}")
            raise
        # These look at workers: they claim no captcha, and put none back.
        only_looks = command in ("flower", "inspect", "control", "status", "events")
        _prefer_completed_urls(settings)
        fast_json.install()
        compression.install()
        if settings.transport == "batch" and not only_looks:
            transport.install()
        if settings.log == "json":
            signals.celeryd_init.connect(_only_json)
            signals.after_setup_logger.connect(_as_json)
            signals.after_setup_task_logger.connect(_as_json)
        if command == "flower":
            self._serve_flower()
        prefork = command == "worker" and worker_options().has_processes
        self.conf.update(_configuration(settings, prefork=prefork, only_looks=only_looks))

    def _serve_flower(self) -> None:
        from worker.monitoring import queues

        if not Path("flowerconfig.py").exists():
            os.environ.setdefault("FLOWER_CONF", str(Path(__file__).with_name("flowerconfig.py")))
        queues.show(self)

    def _get_backend(self) -> Any:
        # Celery looks up its URL first, which the configuration completes.
        self.configure()
        return super()._get_backend()


def worker_options() -> options.WorkerOptions:
    """What this process was asked for, if it is a worker."""
    name, arguments = options.command(sys.argv)
    return options.WorkerOptions(arguments if name == "worker" else ())


def _prefer_completed_urls(settings: Settings) -> None:
    """Celery prefers its variables to what an application says: have them say the same."""
    for variable, url in (
        ("CELERY_BROKER_URL", for_celery(settings.broker_url)),
        ("CELERY_RESULT_BACKEND", _results_url(settings.result_backend)),
    ):
        if os.environ.get(variable):
            os.environ[variable] = url


def _results_url(url: str) -> str:
    scheme, _, _ = url.strip().lower().partition("://")
    if scheme not in SCHEMES:
        return url
    url = for_celery(url, results=True)
    # Celery's own backend for Redis knows one server.
    several = ";" in url and scheme != "sentinel"
    return f"worker.results.backend:SeveralBackend+{url}" if several else url


def _configuration(settings: Settings, *, prefork: bool, only_looks: bool) -> dict[str, Any]:
    shared = wire.celery_settings(
        sentinel_master=settings.sentinel_master,
        key_prefix=settings.key_prefix,
        sentinel=wire.sentinel_options(
            settings.sentinel_user, settings.sentinel_password, Retry(NoBackoff(), 0)
        ),
    )
    transport_options = {
        **shared["broker_transport_options"],
        "visibility_timeout": settings.lease_s,
        "queue_order_strategy": "worker.transport.order:LaneCycle",
    }
    if only_looks:
        # Its account needs no right to what is claimed.
        transport_options["ack_emulation"] = False
    return {
        **shared,
        "broker_url": for_celery(settings.broker_url),
        "result_backend": _results_url(settings.result_backend),
        "broker_transport_options": transport_options,
        # Ours parks what is due later (`worker.intake.held_later`).
        "worker_eta_task_limit": 1000 if settings.transport == "stock" else None,
        # Named and bound as Celery does for a sender that only knows the queue's name.
        "task_queues": [
            Queue(lane, Exchange(lane), routing_key=lane) for lane in wire.lanes(settings.models)
        ],
        # A captcha is acknowledged when its answer is stored, so a killed worker loses none.
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        # The networks live in this process and are shared by its threads.
        "worker_pool": "prefork" if prefork else "threads",
        # Celery kills a process of the pool that does not answer so many seconds after its start;
        # with its own 4 a busy machine would blame the captcha that it has by then.
        "worker_proc_alive_timeout": 60.0,
        "worker_consumer": "worker.intake.consumer:CaptchaConsumer",
        # What may be claimed does not depend on a pool's size.
        "worker_enable_prefetch_count_reduction": False,
        # Captchas show in Flower without a further flag.
        "worker_send_task_events": True,
        "broker_connection_retry_on_startup": True,
        # A server that answers with errors is connected to anew, by stock kombu's transport too.
        "broker_channel_error_retry": True,
        # What is being read when the connection breaks is finished; its message comes back once.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
    }


app = Application("tilefleet", events="worker.hub.events:Events", include=["worker.task"])
app.steps["worker"].update(
    {"worker.monitoring.presence:Presence", "worker.bootstep:EngineRoomStep"}
)
app.steps["consumer"].add("worker.monitoring.mingle:BoundedMingle")
app.steps["consumer"].add("worker.monitoring.eviction:Eviction")


def _only_json(instance: Any, **_: Any) -> None:
    # Neither the banner nor a warning before Celery has set up its handlers.
    instance.quiet = True
    log.configure("json")


def _as_json(logger: logging.Logger, **_: Any) -> None:
    for handler in logger.handlers:
        handler.setFormatter(log.JsonFormatter())


@signals.celeryd_init.connect
def _take_name(instance: Any, **_: Any) -> None:
    # Only a worker loads what is under this.
    from worker.monitoring.presence import take_name

    default = instance.hostname == default_nodename("")
    take_name(instance, named=not default or worker_options().is_named)


@signals.celeryd_after_setup.connect
def _complete_lanes(**_: Any) -> None:
    # -Q and -X speak of lanes of all workers: those of the models that are held go with them.
    queues, given = app.amqp.queues, worker_options()
    for lane in wire.LANES:
        for named in wire.family(lane, app.settings.models)[1:]:
            if lane in queues.consume_from and named not in given.excluded:
                queues.select_add(queues[named])
            elif lane in given.excluded:
                queues.deselect(named)


@signals.celeryd_after_setup.connect
def _say_unknown(**_: Any) -> None:
    for line in unknown_variables():
        logger.warning("%s", line)


@signals.worker_shutting_down.connect
def _is_to_end(**_: Any) -> None:
    silence.stop()


@signals.celeryd_init.connect
def _watch_failures(**_: Any) -> None:
    if os.environ.get("SENTRY_DSN"):
        from worker.monitoring import sentry

        sentry.start()


@signals.worker_ready.connect
def _say_ready(sender: Any, **_: Any) -> None:
    for warning in worker_options().warnings(app.settings.models):
        logger.warning("%s", warning)
    # Celery says so at INFO, where it also writes a line for every captcha.
    logger.warning("%s %s", sender.hostname, health.TAKES)


if _command():
    # A command starts by importing this: what is wrong with a setting is said before all else,
    # and Flower reads its file before it uses the application.
    app.configure()
