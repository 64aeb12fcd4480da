"""A collector of traces on loopback: what OpenTelemetry would send anywhere else."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.running.posts import posts


@dataclass(frozen=True)
class Span:
    name: str
    service: str
    trace: str
    id: str
    parent: str
    started: int
    ended: int
    failed: bool
    attributes: dict[str, Any]


@dataclass
class Collector:
    url: str
    spans: list[Span]

    @property
    def environ(self) -> dict[str, str]:
        """Of a process whose spans come here, all of them and at once."""
        return {
            "TILEFLEET_TRACES": "1",
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.url,
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }

    def trace(self, number: str) -> dict[str, Span]:
        """One trace's spans by their names."""
        return {span.name: span for span in self.spans if span.trace == number}


def _value(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value"))


def _spans(body: bytes) -> Iterator[Span]:
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        of = {each.key: _value(each.value) for each in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Span(
                    name=span.name,
                    service=of["service.name"],
                    trace=span.trace_id.hex(),
                    id=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    started=span.start_time_unix_nano,
                    ended=span.end_time_unix_nano,
                    failed=span.status.code == span.status.STATUS_CODE_ERROR,
                    attributes={each.key: _value(each.value) for each in span.attributes},
                )


@contextmanager
def collector() -> Iterator[Collector]:
    spans: list[Span] = []
    with posts(lambda body, _: spans.extend(_spans(body))) as address:
        yield Collector(f"http://{address}", spans)
