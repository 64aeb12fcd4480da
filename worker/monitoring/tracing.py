"""What a traced captcha's way through this worker took, as OpenTelemetry spans.

::

    solve captcha                            the sender's, from its call to its answer
    └── process captcha                      from the claim until it is concluded
        ├── queue                            from the sending to the claim
        ├── wait, with decode in it          from the claim to the start of its pass
        ├── pass                             the networks
        └── store                            the pipeline with its result

A captcha is traced if its message's ``traceparent`` says so. The parts note when they began and
ended (`worker.engine_room.job.Trace`); spans are made of that when all is done.
"""

from time import monotonic, time_ns
from typing import Any

from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

from tilefleet import wire
from tilefleet.tracing import carrier, provider
from worker.engine_room.job import Delivery, Trace

_NS = 1_000_000_000


class Tracing:
    """Told of each delivery on the hub thread."""

    def __init__(self, app: Any) -> None:
        """`app`: whose clock says by how much the server's is ahead."""
        self._app = app
        self._tracer = provider.tracer("tilefleet-worker")

    def begin(self, delivery: Delivery) -> None:
        headers = delivery.request.request_dict
        if "traceparent" in headers and (under := carrier.read(headers)) is not None:
            delivery.trace = Trace(under)

    def end(self, delivery: Delivery, trace: Trace) -> None:
        request, outcome = delivery.request, delivery.outcome
        # Clocks are set, and the monotonic one is not: spans are by what the time is now.
        now, now_ns = monotonic(), time_ns()

        def ns(at: float) -> int:
            return now_ns - int((now - at) * _NS)

        lane = str(request.delivery_info.get("routing_key") or "")
        claimed_ns = ns(trace.claimed)
        span = self._tracer.start_span(
            f"process {lane}",
            context=trace.under,
            kind=SpanKind.CONSUMER,
            start_time=claimed_ns,
            attributes={
                "messaging.system": "redis",
                "messaging.destination.name": lane,
                "messaging.message.id": request.id,
                "messaging.batch.message_count": len(delivery.jobs),
                "tilefleet.redelivered": bool(request.delivery_info.get("redelivered")),
            },
        )
        below = set_span_in_context(span, trace.under)

        def part(name: str, start_ns: int, end_ns: int) -> None:
            self._tracer.start_span(name, context=below, start_time=start_ns).end(end_ns)

        sent_s = self._sent_s(request)
        if sent_s is not None and sent_s * _NS <= claimed_ns:
            part("queue", int(sent_s * _NS), claimed_ns)
        for name, (started, ended) in _spans_of(trace).items():
            part(name, ns(started), ns(ended))
        if outcome.dropped:
            span.set_attribute("tilefleet.dropped", True)
        elif outcome.error is not None:
            span.set_attribute("error.type", type(outcome.error).__name__)
            span.set_status(Status(StatusCode.ERROR, str(outcome.error)))
        elif answer := next((job.answer for job in delivery.jobs if job.answer), None):
            span.set_attribute("tilefleet.model", answer.model)
            if answer.timing is not None:
                span.set_attribute("tilefleet.pass_size", answer.timing.pass_size)
        if delivery.many and (errors := delivery.errors()):
            span.set_attribute("tilefleet.failed", len(errors))
        span.end(now_ns)

    def close(self) -> None:
        provider.close()

    def _sent_s(self, request: Any) -> float | None:
        """When it was sent, by this machine's clock; None where the sender does not say."""
        sent = request.request_dict.get(wire.SENT_AT)
        if isinstance(sent, bool) or not isinstance(sent, int | float) or not sent > 0:
            return None
        return sent - float(self._app.server_clock.ahead_s)


def _spans_of(trace: Trace) -> dict[str, tuple[float, float]]:
    """From the first beginning of each part to its last end: of a list's captchas, one span."""
    spans: dict[str, tuple[float, float]] = {}
    for part, started, ended in trace.marks:
        first, last = spans.get(part, (started, ended))
        spans[part] = min(first, started), max(last, ended)
    return spans
