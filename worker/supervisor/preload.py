"""What workers load, loaded before they are forked: they share the memory as long as none writes.

No library here has threads or connections of its own yet; TensorFlow has from its import on, so
workers that use it load it themselves.
"""

import gc
import os
import pkgutil
from importlib import import_module
from importlib.util import find_spec
from typing import Final

import worker
from models.runtimes.installed import choose_engine
from models.store import find
from tilefleet.settings import Settings

#: Of Celery's and kombu's, which look up by name what they use.
_BY_NAME: Final = (
    *("celery.bin.celery", "celery.apps.worker", "celery.concurrency.thread"),
    *("celery.worker.consumer", "celery.worker.control", "celery.worker.strategy"),
    *("celery.backends.redis", "celery.app.log", "celery.events.state", "celery.fixups.django"),
    *("kombu.transport.redis", "kombu.asynchronous.hub"),
)
#: Flower's file, which runs in Flower alone; this; and what reads an application's settings, which
#: each worker has of its own.
_NOT: Final = ("worker.flowerconfig", "worker.supervisor", "worker.task")


def engine(settings: Settings) -> str:
    """What will run the networks: litert, keras or null."""
    return choose_engine() if settings.engine == "auto" else settings.engine


def preload(settings: Settings) -> None:
    """Import, and read the model's files where they can be shared; raises ModelError."""
    kind = engine(settings)
    # NumPy's library would start a thread for each core, in each worker: nothing here is for them.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for name in _BY_NAME:
        import_module(name)
    for module in pkgutil.walk_packages(worker.__path__, "worker."):
        wanted = not module.name.startswith(_NOT)
        if module.name in ("worker.monitoring.metrics", "worker.monitoring.page"):
            wanted = bool(settings.metrics) and find_spec("prometheus_client") is not None
        if module.name == "worker.monitoring.tracing":
            wanted = bool(settings.traces) and _has_exporter()
        if wanted:
            import_module(module.name)
    if kind == "litert" and find_spec("ai_edge_litert") is not None:
        from models.engines.litert import hold

        for model in settings.models:
            hold(find(model, root=settings.store), settings.precision)
    # The collector writes into what it looks at: what is here now, it need not look at again.
    gc.collect()
    gc.freeze()


def _has_exporter() -> bool:
    """A worker without it ends with a line that says so."""
    try:
        return find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:
        return False
