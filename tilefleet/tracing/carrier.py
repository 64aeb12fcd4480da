"""The headers that join a trace over messages and requests: W3C's ``traceparent``, ``tracestate``.

https://www.w3.org/TR/trace-context/
"""

from collections.abc import Iterable, Mapping
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context, attach
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_W3C: Final = TraceContextTextMapPropagator()


def write(span: trace.Span) -> dict[str, str]:
    """The headers with which others go on under this span."""
    headers: dict[str, str] = {}
    _W3C.inject(headers, trace.set_span_in_context(span))
    return headers


def read(headers: Mapping[str, object]) -> Context | None:
    """Under what a sender wants its message's spans; None: under nothing, or it is not recorded."""
    found = {name: value for name in _W3C.fields if isinstance(value := headers.get(name), str)}
    if "traceparent" not in found:
        return None
    # Under nothing of this thread's.
    context = _W3C.extract(found, Context())
    span = trace.get_current_span(context).get_span_context()
    return context if span.trace_flags.sampled else None


def go_on(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Have all that this task sends from here on be under the span that a request names, if any."""
    found = {
        name: str(value, "latin-1")
        for raw, value in headers
        if (name := str(raw, "latin-1")) in _W3C.fields
    }
    if "traceparent" in found:
        attach(_W3C.extract(found))
