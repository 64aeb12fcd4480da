"""The process: it listens, serves, and on SIGTERM finishes what it accepted."""

import asyncio
import logging
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tilefleet.errors import SettingError
from tilefleet.log import configure

_REQUESTS = "producer.gateway.app"

#: Seconds in which a request's head has to be there, and its bytes at most.
_HEAD_S, _HEAD_BYTES = 10.0, 32 << 10
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_TOO_LONG = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n"
    b"content-length: 0\r\n\r\n"
)


def log(form: str, *, requests: bool) -> None:
    """To the standard error, as text or json; a line for each request if wanted."""
    configure(form)
    logging.getLogger("producer.gateway").setLevel(logging.INFO)
    # It tells of the bytes that it cannot read.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
    logging.getLogger(_REQUESTS).setLevel(logging.INFO if requests else logging.WARNING)


def listen(host: str, port: int) -> list[socket.socket]:
    """Sockets for every address of `host`; port 0 takes a free one.

    Raises SettingError for an address that cannot be had.
    """
    opened: list[socket.socket] = []
    try:
        for family, _, _, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            one = socket.socket(family, socket.SOCK_STREAM)
            opened.append(one)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind((*address[:1], opened[0].getsockname()[1] if opened[1:] else port))
            one.listen(2048)
    except OSError as error:
        close(opened)
        raise SettingError(f"cannot listen on {host}:{port}: {error}") from None
    return opened


def close(sockets: list[socket.socket]) -> None:
    for each in sockets:
        each.close()


def is_near(sockets: list[socket.socket]) -> bool:
    """Whether only this machine can reach them."""
    return all(ip_address(each.getsockname()[0]).is_loopback for each in sockets)


def run(app: Callable[..., Any], sockets: list[socket.socket], *, shutdown_s: int) -> None:
    """Serve until SIGTERM or Ctrl-C; then finish, within `shutdown_s`, what was accepted."""
    config = uvicorn.Config(
        app,
        http=_Protocol,
        loop="uvloop",
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=shutdown_s,
    )
    # uvicorn repeats the signal when it is done; that it ends in order is no failure.
    signal.signal(signal.SIGTERM, lambda *_: None)
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=sockets)


class _Protocol(HttpToolsProtocol):
    """uvicorn's, which waits for a head for ever, however long, and for an answer nobody wants."""

    _timer: asyncio.TimerHandle | None = None
    _length = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._expect_head()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._timer is None:
            self._expect_head()

    def on_headers_complete(self) -> None:
        self._stop_timer()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        self._length += len(data)
        super().data_received(data)
        if self._timer is not None and self._length > _HEAD_BYTES:
            self._refuse(_TOO_LONG)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        waiting = self.cycle is not None and not self.cycle.response_complete
        super().connection_lost(exc)
        if waiting and (task := self.scope["state"].get("task")) is not None:
            # Nobody is there to hear the answer: what is not read yet need not be.
            self.scope["state"]["gone"] = True
            task.cancel()

    def _expect_head(self) -> None:
        self._length = 0
        self._timer = self.loop.call_later(_HEAD_S, self._refuse, _TOO_SLOW)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, reply: bytes) -> None:
        self._stop_timer()
        if self.cycle is not None and not self.cycle.response_complete:
            # Sent behind a request that is still being answered: that one first.
            self._expect_head()
        elif not self.transport.is_closing():
            if self.headers is not None:
                self.transport.write(reply)
            self.transport.close()
