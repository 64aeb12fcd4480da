"""The tracer of this process: the program's own, where it has set up OpenTelemetry, or ours.

Ours sends to the collector that OpenTelemetry's variables name (`OTEL_EXPORTER_OTLP_ENDPOINT`,
`OTEL_SERVICE_NAME`, …) over OTLP/HTTP, in batches, on a thread of its own. A collector that is away
costs spans, never a captcha.
"""

import atexit
import os
import socket
from threading import Lock, Thread
from typing import Final

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

_NAME: Final = "tilefleet"
#: Seconds that the end of a process waits for what is left to be sent.
_CLOSED_S: Final = 5.0

_lock = Lock()
_ours: TracerProvider | None = None


def tracer(service: str) -> trace.Tracer:
    """`service`: what this process is called, unless `OTEL_SERVICE_NAME` says so.

    The first caller in a process names it.
    """
    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return trace.get_tracer(_NAME)
    global _ours
    with _lock:
        if _ours is None:
            _ours = _provider(service)
    return _ours.get_tracer(_NAME)


def close() -> None:
    """Send what is left; spans that end later are not sent. Leaves a program's own alone."""
    global _ours
    with _lock:
        ours, _ours = _ours, None
    if ours is not None:
        # OpenTelemetry's own end waits for half a minute where the collector is away.
        last = Thread(target=ours.shutdown, name="traces", daemon=True)
        last.start()
        last.join(_CLOSED_S)


def _provider(service: str) -> TracerProvider:
    """Everything that is begun is sent: the share is chosen before (`TILEFLEET_TRACES`)."""
    attributes = {"service.instance.id": f"{socket.gethostname()}-{os.getpid()}"}
    if not os.environ.get("OTEL_SERVICE_NAME"):
        attributes["service.name"] = service
    provider = TracerProvider(resource=Resource.create(attributes), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    atexit.register(close)
    return provider
