"""redis-py's connections for several servers: the first that answers, and then the same again."""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Iterable
from typing import Any, Final

import redis
from redis.asyncio import connection
from redis.exceptions import RedisError

from tilefleet.urls import Server

#: Closed, a connection takes what it has not sent with it: it must not arrive after what is sent
#: again on the next one.
_LINGER: Final = struct.pack("ii", 1, 0)

#: What the connections of one pool share: the place that answered last is the first.
Places = deque[dict[str, Any]]

_AWAY: Final = (RedisError, OSError, asyncio.TimeoutError)


def of(servers: Iterable[Server]) -> Places:
    """Where they are and who connects, as redis-py's connections call it."""
    return deque(map(_place, servers))


def _place(server: Server) -> dict[str, Any]:
    if server.path:
        return {"path": server.path, **server.account}
    tcp = {"host": server.host, "port": server.port, "socket_keepalive": True}
    return {**tcp, **server.account, **server.tls}


class _Several:
    """Made for the first place; aims at others before it connects."""

    def __init__(self, *, places: Places, **options: Any) -> None:
        self._places = places
        super().__init__(**places[0], **options)

    def _aim(self) -> None:
        for name, value in self._places[0].items():
            if not name.startswith(("ssl_", "socket_")):
                setattr(self, name, value)

    def _turn(self, attempt: int) -> bool:
        """To the next place; whether it has not been tried."""
        self._places.rotate(-1)
        return attempt < len(self._places)


class _Later(_Several):
    _writer: asyncio.StreamWriter

    async def _connect(self) -> None:
        attempt = 0
        while True:
            self._aim()
            attempt += 1
            try:
                await super()._connect()  # type: ignore[misc]
                break
            except _AWAY:
                if not self._turn(attempt):
                    raise
        opened = self._writer.get_extra_info("socket")
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)


class _Now(_Several):
    def _connect(self) -> Any:
        attempt = 0
        while True:
            self._aim()
            attempt += 1
            try:
                return super()._connect()  # type: ignore[misc]
            except _AWAY:
                if not self._turn(attempt):
                    raise


def _kinds(mixin: type, **kinds: type) -> dict[str, Any]:
    return {scheme: type(mixin.__name__, (mixin, kind), {}) for scheme, kind in kinds.items()}


#: By the scheme of a URL: for asyncio, and for programs without an event loop.
KINDS: Final = _kinds(
    _Later,
    redis=connection.Connection,
    rediss=connection.SSLConnection,
    **{"redis+socket": connection.UnixDomainSocketConnection},
)
KINDS_NOW: Final = _kinds(
    _Now,
    redis=redis.Connection,
    rediss=redis.SSLConnection,
    **{"redis+socket": redis.UnixDomainSocketConnection},
)
