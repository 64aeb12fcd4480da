"""One span for each captcha that a program sends, from the call to its answer or its error.

Under the span that the program is in, if it is in one, and recorded if that is; else a share of
captchas begin traces of their own. The message says which, and workers go on with it. Loaded only
where something is traced.
"""

import asyncio
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from opentelemetry.trace import Span, SpanKind, Status, StatusCode, get_current_span

from tilefleet.tracing import carrier, provider

from .message import NO_HEADERS, Message

#: A span for each message; None for one that is not traced.
Spans = Sequence[Span | None]


class Tracing:
    """Begins the spans of those captchas that are traced; for all others, next to nothing."""

    def __init__(self, share: float) -> None:
        """`share`: of captchas that begin a trace."""
        self._share = share

    @contextmanager
    def calls(self, count: int, lane: str) -> Iterator[Spans]:
        """Spans of so many messages; what is raised inside ends them."""
        spans = [self._begin(lane) if self._chosen() else None for _ in range(count)]
        try:
            yield spans
        except BaseException as error:
            for span in filter(None, spans):
                _failed(span, type(error).__name__, str(error))
                span.end()
            raise

    @staticmethod
    def headers(spans: Spans) -> list[Mapping[str, str]]:
        """What goes into each message's headers."""
        return [NO_HEADERS if span is None else carrier.write(span) for span in spans]

    @staticmethod
    def follow(
        spans: Spans, messages: Sequence[Message], futures: "Sequence[asyncio.Future[Any]]"
    ) -> None:
        """End each span with its message's outcome."""
        for span, sent, future in zip(spans, messages, futures, strict=True):
            if span is not None:
                span.set_attribute("messaging.message.id", sent.id)
                future.add_done_callback(partial(_end, span))

    def _chosen(self) -> bool:
        above = get_current_span().get_span_context()
        return above.trace_flags.sampled if above.is_valid else random.random() < self._share

    @staticmethod
    def _begin(lane: str) -> Span:
        attributes = {"messaging.system": "redis", "messaging.destination.name": lane}
        # Each time: a program may set up its own after it has made its client.
        return provider.tracer("tilefleet-client").start_span(
            f"solve {lane}", kind=SpanKind.CLIENT, attributes=attributes
        )


def _end(span: Span, future: "asyncio.Future[Any]") -> None:
    if future.cancelled():
        _failed(span, "Cancelled", "cancelled by its sender, or not answered in time")
    elif (error := future.exception()) is not None:
        _failed(span, type(error).__name__, str(error))
    elif (meta := future.result())["status"] == "SUCCESS":
        if isinstance(result := meta["result"], dict):
            span.set_attribute("tilefleet.model", result["model"])
    else:
        result = meta["result"]
        why = " ".join(map(str, result.get("exc_message", ())))
        _failed(span, result.get("exc_type", meta["status"]), why)
    span.end()


def _failed(span: Span, kind: str, why: str) -> None:
    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR, why))
