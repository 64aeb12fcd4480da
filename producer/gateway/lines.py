"""Answers of a list as they come: a reply of JSON lines (NDJSON), one for each captcha."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from tilefleet import wire
from tilefleet.answer import Answer

MEDIA_TYPE = "application/x-ndjson"
_ASKED_FOR = (MEDIA_TYPE, "application/ndjson", "application/jsonl", "application/x-jsonlines")
#: A proxy that gathers replies would undo what this is for.
_HEADERS = {"X-Accel-Buffering": "no", "Cache-Control": "no-store"}

#: A captcha's place in the list, from 0, and what became of it.
Placed = tuple[int, Answer | Exception]


def wanted(request: Request) -> bool:
    """Whether the sender asks for lines."""
    accepted = request.headers.get("accept", "").lower()
    return any(kind in accepted for kind in _ASKED_FOR)


class Lines(StreamingResponse):
    """Sends each line when it is there. A sender that goes away cancels it (`connection`)."""

    #: Is told all lines, before the sender hears that it was the last; or that they broke off.
    whole: Callable[[bytes], Awaitable[None]] | None = None
    broken: Callable[[], None] | None = None

    def __init__(self, outcomes: AsyncGenerator[Placed, None]) -> None:
        self._outcomes = outcomes
        self._lines = self._each()
        super().__init__(self._lines, headers=_HEADERS, media_type=MEDIA_TYPE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with aclosing(self._lines):
                if scope["http_version"] == "1.0":
                    # Its clients know a reply's length only, no chunks.
                    body = b"".join([line async for line in self._lines])
                    whole = Response(body, headers=_HEADERS, media_type=MEDIA_TYPE)
                    await whole(scope, receive, send)
                else:
                    await self.stream_response(send)
        except BaseException:
            if self.broken is not None:
                self.broken()
            raise

    async def _each(self) -> AsyncGenerator[bytes, None]:
        kept: list[bytes] = []
        async with aclosing(self._outcomes):
            async for place, outcome in self._outcomes:
                line = _line(place, outcome)
                if self.whole is not None:
                    kept.append(line)
                yield line
        if self.whole is not None:
            await self.whole(b"".join(kept))


def _line(place: int, outcome: Answer | Exception) -> bytes:
    """``{"index": 0, "answer": …}``, or ``{"index": 0, "error": …}``."""
    if isinstance(outcome, Answer):
        return orjson.dumps({"index": place, "answer": outcome.encode()}) + b"\n"
    return orjson.dumps({"index": place, **wire.encode_error(outcome)}) + b"\n"
