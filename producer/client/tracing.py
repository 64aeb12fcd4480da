"""One span for each captcha that a program sends, from the call to its answer or its error.

Under the span that the program is in, if it is in one, and recorded if that is; else a share of
captchas begin traces of their own. The message says which, and workers go on with it. Loaded only
where something is traced.
"""

import asyncio
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    get_current_span,
    use_span,
)

from tilefleet.tracing import carrier, provider

from . import message
from .message import NO_HEADERS, Message
from .pending import Outcome

#: A span for each message; None for one that is not traced.
Spans = Sequence[Span | None]

#: Nothing under it is recorded.
_NOT_CHOSEN: Final = NonRecordingSpan(SpanContext(trace_id=1, span_id=1, is_remote=False))


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
                _failed(span, error)
                span.end()
            raise

    @contextmanager
    def around(self) -> Iterator[Callable[[Sequence[Outcome]], None]]:
        """One trace of all that a call sends, to one server after the other: in a span of its own,
        unless the program is in one.

        Gives what is to be told of the outcomes.
        """
        if get_current_span().get_span_context().is_valid:
            yield lambda _: None
            return
        span = self._start("call") if self._chosen() else _NOT_CHOSEN
        with use_span(span, record_exception=False, set_status_on_exception=False):
            try:
                yield partial(_count, span)
            except BaseException as error:
                _failed(span, error)
                raise
            finally:
                span.end()

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

    def _begin(self, lane: str) -> Span:
        attributes = {"messaging.system": "redis", "messaging.destination.name": lane}
        return self._start(f"solve {lane}", kind=SpanKind.CLIENT, attributes=attributes)

    @staticmethod
    def _start(name: str, **options: Any) -> Span:
        # Each time: a program may set up its own after it has made its client.
        return provider.tracer("tilefleet-client").start_span(name, **options)


def _end(span: Span, future: "asyncio.Future[Any]") -> None:
    try:
        _answered(span, message.outcome(future.result()))
    except asyncio.CancelledError as cancelled:
        # With the error of who waited no longer, if it was that (`AsyncPending`).
        _failed(span, *cancelled.args or [cancelled])
    except Exception as error:
        _failed(span, error)
    span.end()


def _count(span: Span, outcomes: Sequence[Outcome]) -> None:
    """Of a call with several messages, or several that became of one."""
    errors = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    if errors:
        span.set_attribute("tilefleet.failed", len(errors))
        if len(errors) == len(outcomes):
            _failed(span, errors[0])


def _answered(span: Span, result: dict[str, Any] | list[dict[str, Any]]) -> None:
    results = result if isinstance(result, list) else [result]
    answers = [each for each in results if "error" not in each]
    if answers:
        span.set_attribute("tilefleet.model", answers[0]["model"])
    if len(answers) < len(results):
        span.set_attribute("tilefleet.failed", len(results) - len(answers))


def _failed(span: Span, error: BaseException) -> None:
    cancelled = isinstance(error, asyncio.CancelledError)
    span.set_attribute("error.type", "Cancelled" if cancelled else type(error).__name__)
    why = str(error) or ("cancelled by its sender" if cancelled else "")
    span.set_status(Status(StatusCode.ERROR, why))
