"""One connection: everything that it may send has a bound in bytes and in seconds, at any moment.

uvicorn's protocol waits for ever for a head, a trailer or a reader, and takes a trailer for a
header. This one counts what is outside of bodies, has one deadline for whatever is due next, and
parses what came in slices, when it is its address's turn.

::

    connection ─→ head ─→ body, with its trailers ─→ reply, which has to be read ─→ the next head
"""

import asyncio
from functools import partial
from typing import Any
from weakref import proxy

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from producer.gateway.connection.flow import Flow
from producer.gateway.connection.head import title
from producer.gateway.connection.idle import address, idle
from producer.gateway.connection.turns import Slices, turns
from producer.gateway.connection.upgrade import body_head, parser

#: Seconds in which a request's head has to be there, and its bytes at most.
HEAD_S, HEAD_BYTES = 10.0, 32 << 10
#: Seconds in which a body has to be there, and bytes that earn it another second.
BODY_S, BODY_BYTES_A_SECOND = 10.0, 64 << 10
#: Seconds more than the application gives a body: it says what is wrong, this only hangs up.
_GRACE_S = 2.0
#: Bytes around a body's own (lengths of chunks, trailers): for each of its own, and without any.
_FRAMING_PER_BYTE, _FRAMING_BYTES = 8, 32 << 10
#: Bytes of a body that are still taken when its reply is on the way, so that it gets read.
MOST_IGNORED = 8 << 20
#: Seconds in which a client has to make room for more of a reply, about 48 KiB of it.
_READ_S = 10.0
#: Requests sent behind one that is not answered yet.
_MOST_PIPELINED = 16
#: Bytes that are parsed before others have their turn: at first, and at most.
_SLICE, _MOST_SLICE = 16 << 10, 64 << 10
#: Seconds that it takes to have a byte of the system, and bytes that it gives at once.
_RECEIVED_S, _PIECE = 6e-10, 256 << 10
#: All connections; a process may open more files than that (`server.run`).
_MOST_TOGETHER = 4096

_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_TOO_LONG = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n"
    b"content-length: 0\r\n\r\n"
)
_UNREADABLE = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class _TooLong(Exception):
    """Raised inside the parser, which ends with it."""


class Protocol(HttpToolsProtocol):
    """`_part` is what is due next: "idle" before a request, then its "head", "body" and "reply"."""

    flow: Flow

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._part, self._who = "idle", ""
        #: Of this request's head or body: bytes that are none of the body's, in all and since its
        #: last one; the body's own, and those that came after the reply.
        self._outside = self._in_a_row = self._body = self._ignored = 0
        #: How often another part began.
        self._parts = 0
        self._deadline: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        #: Bytes that came last, and those of them that are not parsed yet.
        self._came = 0
        self._unparsed: memoryview | None = None
        self._slices = Slices(_SLICE, _MOST_SLICE)
        #: The request that is being answered; `cycle` is the last that came.
        self._current: Any = None
        #: What a request that cannot be read gets once those before it are answered.
        self._refusal: bytes | None = None
        #: The head of a body that the parser would leave out, and whether that one is parsed now.
        self._left_out: bytes | None = None
        self._again = False

    # What asyncio calls.

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.flow = Flow(transport)
        self._who = address(self.client)
        if len(self.connections) > _MOST_TOGETHER:
            transport.abort()
        self._allow(HEAD_S)
        idle.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._timer, self._unread, self.timeout_keep_alive_task):
            if timer is not None:
                timer.cancel()
        self._timer = self._unread = self._unparsed = self._deadline = None
        idle.discard(self)
        self.pipeline.clear()
        current = self._current
        super().connection_lost(exc)
        if current is not None and not current.response_complete:
            current.disconnected = True
            current.message_event.set()
            state = current.scope["state"]
            if (task := state.get("task")) is not None:
                # Nobody is there to hear the answer: what is not read yet need not be.
                state["gone"] = True
                task.cancel()

    def data_received(self, data: bytes) -> None:
        if self._refusal is not None or self.transport.is_closing():
            return
        if self._unparsed is not None:
            self._unparsed = memoryview(bytes(self._unparsed) + data)
            return
        self._unparsed, self._came = memoryview(data), len(data)
        turns.spent(self._who, len(data) * _RECEIVED_S)
        turns.do(self._who, self._go_on)
        if self._unparsed is not None:
            self.flow.hold()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    # What the parser calls.

    def on_message_begin(self) -> None:
        if self._again:
            return
        super().on_message_begin()
        if len(self.pipeline) >= _MOST_PIPELINED:
            raise _TooLong
        self._begin("head")
        self._allow(HEAD_S)

    def on_url(self, url: bytes) -> None:
        if self._again:
            return
        super().on_url(url)
        if len(self.url) > HEAD_BYTES:
            raise _TooLong

    def on_header(self, name: bytes, value: bytes) -> None:
        # Behind the body it is a trailer, which says nothing that anybody here asks for.
        if self._part == "head" and not self._again:
            super().on_header(name, value)
            self._outside += len(name) + len(value)
            if self._outside > HEAD_BYTES:
                raise _TooLong

    def on_headers_complete(self) -> None:
        if self._again:
            return
        if self.parser.get_http_version() == "1.0":
            # Its clients know of no reply before the reply.
            self.expect_100_continue = False
        if self.parser.should_upgrade():
            self._left_out = body_head(self.parser.get_http_version(), self.headers)
        # First, for it may find that no request begins: CONNECT names a host and a port as its URL.
        super().on_headers_complete()
        self._begin("body")
        self._allow(BODY_S + _GRACE_S)
        # Nothing that a request holds keeps the request.
        self.scope["state"]["titled"] = partial(title, proxy(self.cycle))

    def on_body(self, body: bytes) -> None:
        self._body += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._left_out is not None:
            return
        self._part, self._deadline = "reply", None
        super().on_message_complete()

    # What uvicorn calls.

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._current = cycle
        idle.discard(self)
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        idle.add(self)
        super().on_response_complete()
        if self._refusal is not None:
            self.flow.pause_reading()
        if self.transport.is_closing():
            self._expect_reader()
        elif not self._current.response_complete:
            pass
        elif self._refusal is not None:
            self._hang_up(self._refusal)
        elif self._part == "body":
            # The rest of a body that nobody asked for.
            self._allow(BODY_S)
        elif self._part == "reply":
            self._part = "idle"

    def timeout_keep_alive_handler(self) -> None:
        self._hang_up()

    def _unsupported_upgrade_warning(self) -> None:
        """That it is not upgraded is the answer."""

    # Bounds.

    def _begin(self, part: str) -> None:
        self._part = part
        self._parts += 1
        self._outside = self._in_a_row = self._body = self._ignored = 0

    def _parse(self, data: memoryview) -> None:
        """One slice; the rest when the loop has had a turn."""
        size = self._slices.begin(len(data))
        now, rest = data[:size], data[size:]
        self._unparsed = rest if rest else None
        self._unset_keepalive_if_required()
        before, parts, body = self._part, self._parts, self._body
        reply = self._feed(now)
        self._slices.end()
        if reply is None:
            if self._part == "idle":
                # Line ends before a head begin none: they do not keep the connection.
                self._begin("head")
                self._allow(HEAD_S)
            if before == "body" and self.cycle.response_complete:
                self._ignored += len(now)
            if self._parts == parts + (before == "idle" and self._part == "head"):
                # All of the slice belongs to this part.
                came = self._body - body if before == "body" else 0
                self._outside += len(now) - came
                self._in_a_row = 0 if came else self._in_a_row + len(now)
            reply = self._look()
        if reply is not None:
            self._refuse(reply)
        elif self.transport.is_closing():
            pass
        elif rest:
            self.flow.hold()
            turns.do(self._who, self._go_on)
        elif self._came > _MOST_SLICE or not turns.may(self._who):
            # To have bytes of the system takes time, too.
            self.flow.hold()
            turns.do(self._who, self._go_on, _RECEIVED_S * _PIECE)

    def _go_on(self) -> None:
        if self.transport.is_closing():
            return
        self.flow.let_go()
        if self._unparsed is not None:
            try:
                self._parse(self._unparsed)
            except BaseException:
                # In a later turn nobody else would.
                self.transport.abort()
                raise

    def _feed(self, data: memoryview) -> bytes | None:
        """The reply to what cannot be read; None if all is well."""
        while data:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                # It is answered as if it had not asked for that; others may come behind it.
                data = data[max(1, upgrade.args[0]) :]
                if self._left_out is not None and not self._begin_body(self._left_out):
                    return _UNREADABLE
                continue
            except httptools.HttpParserError as error:
                return _TOO_LONG if isinstance(error.__context__, _TooLong) else _UNREADABLE
            break
        return None

    def _begin_body(self, head: bytes) -> bool:
        """Have what follows parsed as the body behind that head, which is told to nobody; whether
        it can be."""
        self._left_out, self._again = None, True
        self.parser = parser(self)
        try:
            self.parser.feed_data(head)
        except httptools.HttpParserError:
            return False
        finally:
            self._again = False
        return True

    def _look(self) -> bytes | None:
        """The reply to what is too long, empty to hang up; None if all is well."""
        if self._part == "head" and self._outside > HEAD_BYTES:
            return _TOO_LONG
        if self._part == "body" and (
            self._ignored > MOST_IGNORED
            or self._in_a_row > _FRAMING_BYTES
            or self._outside > _FRAMING_BYTES + _FRAMING_PER_BYTE * self._body
        ):
            return b""
        return None

    def _allow(self, seconds: float) -> None:
        """What is due next may take that long."""
        self._deadline = self.loop.time() + seconds
        if self._timer is not None and self._timer.when() > self._deadline:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self.loop.call_at(self._deadline, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if self._deadline is None:
            return
        deadline = self._deadline
        if self._part == "body" and not self.cycle.response_complete:
            # A body that is asked for earns time, and none runs before it is.
            deadline += self._body / BODY_BYTES_A_SECOND
        if self.pipeline:
            deadline = max(deadline, self.loop.time() + HEAD_S)
        if self.loop.time() < deadline:
            self._timer = self.loop.call_at(deadline, self._tick)
        else:
            self._refuse(_TOO_SLOW if self._part == "head" and self.headers is not None else b"")

    def _refuse(self, reply: bytes) -> None:
        """Answer and hang up, behind what is being answered already."""
        self._deadline = self._unparsed = None
        current, own = self._current, self._part == "body" and not self.pipeline
        if own and (not reply or current.response_started):
            self.transport.abort()
        elif own or current is None or current.response_complete:
            self._hang_up(reply)
        else:
            self._refusal = reply
            if self._part == "body":
                # It would be begun, and wait for its body.
                self.pipeline.popleft()
            self.flow.pause_reading()

    def _hang_up(self, reply: bytes = b"") -> None:
        if not self.transport.is_closing():
            self.transport.write(reply)
            self.transport.close()
            self._expect_reader()

    def _expect_reader(self) -> None:
        """Within some seconds, or the connection is cut: a reply that is not read is kept."""
        if self._unread is None and self.transport.get_write_buffer_size():
            self._unread = self.loop.call_later(_READ_S, self.transport.abort)
