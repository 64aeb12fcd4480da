"""The process: it listens, serves, and on SIGTERM finishes what it accepted."""

import logging
import resource
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from errno import EADDRINUSE
from ipaddress import ip_address
from typing import Any

import uvicorn

from producer.gateway.connection import memory
from producer.gateway.connection.protocol import Protocol
from tilefleet.errors import SettingError
from tilefleet.log import configure

_REQUESTS = "producer.gateway.app"

#: Bytes of a connection that the system keeps until its turn comes.
_UNREAD_BYTES = 256 << 10

#: Files that this process may have open, connections among them, where the system allows it.
_MOST_FILES = 8192


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
            # Of each connection; by itself the system takes many megabytes that nobody has read.
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _UNREAD_BYTES)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind((*address[:1], opened[0].getsockname()[1] if opened[1:] else port))
            one.listen(2048)
    except OSError as error:
        close(opened)
        hint = "; --port takes another one, 0 a free one" if error.errno == EADDRINUSE else ""
        raise SettingError(
            f"cannot listen on {host}:{port}: {error.strerror or error}{hint}"
        ) from None
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
        http=Protocol,
        loop="uvloop",
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        # `visitors.proxies` does it.
        proxy_headers=False,
        timeout_graceful_shutdown=shutdown_s,
    )
    # uvicorn repeats the signal when it is done; that it ends in order is no failure.
    signal.signal(signal.SIGTERM, lambda *_: None)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < _MOST_FILES:
        most = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    config.load()
    memory.settle()
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=sockets)
