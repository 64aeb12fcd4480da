"""The Celery application: ``celery -A worker worker`` and ``celery -A worker flower`` find it here.

Celery's own variables and options keep their meaning; what is set here are the defaults that this
fleet needs, each with its reason.
"""

import logging
import os
import sys
from pathlib import Path
from typing import Any

from celery import Celery, signals
from kombu import Exchange, Queue

from tilefleet import log, wire
from tilefleet.errors import SettingError
from tilefleet.report import ServerClock
from tilefleet.settings import Settings
from worker import compression, fast_json, options, transport

logger = logging.getLogger(__name__)

try:
    settings = Settings.from_environ()
except SettingError as error:
    # Celery would print a traceback around it.
    sys.exit(f"tilefleet: {error}")


def _flower_defaults(arguments: list[str]) -> None:
    """Have ``celery -A worker flower`` read our file, unless there is one where it is started."""
    if "flower" in arguments and not Path("flowerconfig.py").exists():
        os.environ.setdefault("FLOWER_CONF", str(Path(__file__).with_name("flowerconfig.py")))


_flower_defaults(sys.argv)
fast_json.install()
compression.install()
_command, _arguments = options.command(sys.argv)
#: Whether this is Flower, or one of Celery's commands that look at workers.
only_looks = _command not in ("", "worker")
worker_options = options.WorkerOptions(_arguments)
if _command == "worker" and (why := worker_options.refusal(settings)):
    sys.exit(f"tilefleet: {why}")
if settings.transport == "batch" and not only_looks:
    transport.install()

# Celery prefers its variables to what an application says; here they have been read and completed.
for variable, url in (
    ("CELERY_BROKER_URL", settings.broker_url),
    ("CELERY_RESULT_BACKEND", settings.result_backend),
):
    if os.environ.get(variable):
        os.environ[variable] = url

app = Celery(
    "tilefleet",
    broker=settings.broker_url,
    backend=settings.result_backend,
    events="worker.hub.events:Events",
    include=["worker.task"],
)
app.settings = settings
app.server_clock = ServerClock()

app.conf.update(
    **wire.celery_settings(
        sentinel_master=settings.sentinel_master, key_prefix=settings.key_prefix
    ),
    # Named and bound as Celery does for a sender that only knows the queue's name.
    task_queues=[
        Queue(lane, Exchange(lane), routing_key=lane) for lane in (wire.LANE, wire.BULK_LANE)
    ],
    # A captcha is acknowledged when its answer is stored, so a killed worker loses none.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    # The networks live in this process and are shared by its threads.
    worker_pool="prefork" if worker_options.has_processes else "threads",
    worker_consumer="worker.intake.consumer:CaptchaConsumer",
    # What may be claimed does not depend on a pool's size.
    worker_enable_prefetch_count_reduction=False,
    # Captchas show in Flower without a further flag.
    worker_send_task_events=True,
    broker_connection_retry_on_startup=True,
    # What is being read when the connection breaks is finished; its message comes back once.
    worker_cancel_long_running_tasks_on_connection_loss=False,
)
app.conf.broker_transport_options["visibility_timeout"] = settings.lease_s
if settings.transport == "stock":
    # It cannot park what is due later (`worker.intake.held_later`).
    app.conf.worker_eta_task_limit = 1000
if only_looks:
    # It claims no captcha, and puts none back: its account needs no right to what is claimed.
    app.conf.broker_transport_options["ack_emulation"] = False
app.steps["worker"].update(
    {"worker.monitoring.presence:Presence", "worker.bootstep:EngineRoomStep"}
)
app.steps["consumer"].add("worker.monitoring.mingle:BoundedMingle")


@signals.celeryd_init.connect
def _take_name(instance: Any, **_: Any) -> None:
    # Only a worker loads what is under this.
    from worker.monitoring.presence import take_name

    take_name(instance)


if settings.log == "json":

    @signals.celeryd_init.connect
    def _only_json(instance: Any, **_: Any) -> None:
        # Neither the banner nor a warning before Celery has set up its handlers.
        instance.quiet = True
        log.configure("json")

    @signals.after_setup_logger.connect
    @signals.after_setup_task_logger.connect
    def _as_json(logger: logging.Logger, **_: Any) -> None:
        for handler in logger.handlers:
            handler.setFormatter(log.JsonFormatter())


@signals.worker_ready.connect
def _say_ready(sender: Any, **_: Any) -> None:
    for warning in worker_options.warnings():
        logger.warning("%s", warning)
    # Celery says so at INFO, where it also writes a line for every captcha.
    logger.warning("%s takes captchas", sender.hostname)
