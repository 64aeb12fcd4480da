"""Connections to a server, as `tilefleet.urls` reads it, and what is said when one breaks."""

import asyncio
import os
import socket
import ssl
from typing import Any, Final

import redis
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import ReadOnlyError, RedisError
from redis.retry import Retry as RetryNow

from tilefleet import wire
from tilefleet.settings import Settings
from tilefleet.urls import parse

from . import places

#: What a connection that breaks, or that cannot be had, raises.
TROUBLE: Final = (RedisError, OSError, asyncio.TimeoutError)


class IsCluster(RedisError):
    """The server is a node of a Redis Cluster, which is of no use."""


def connect(
    urls: str, settings: Settings, *, socket_timeout: float | None, protocol: int = 3
) -> Any:
    """A client for asyncio with one connection, which is not mended behind our back.

    `settings`: what they say of sentinels. Raises ValueError for what is no URL.
    """
    servers = parse(urls)
    options: dict[str, Any] = {
        "socket_timeout": socket_timeout,
        "socket_connect_timeout": wire.TIMEOUT_S,
        "protocol": protocol,
        "retry": Retry(NoBackoff(), 0),
    }
    if servers[0].scheme == "sentinel":
        sentinel = Sentinel(  # type: ignore[no-untyped-call]
            [(each.host, each.port) for each in servers],
            sentinel_kwargs=_sentinel(settings, Retry(NoBackoff(), 0)),
        )
        account = servers[0].account
        return sentinel.master_for(
            settings.sentinel_master, **account, **options, socket_keepalive=True
        )
    return Redis(
        connection_pool=BlockingConnectionPool(
            connection_class=places.KINDS[servers[0].scheme],
            places=places.of(servers),
            max_connections=1,
            timeout=20,
            **options,
        )
    )


def connect_now(urls: str, settings: Settings) -> Any:
    """A client for programs without an event loop; otherwise as `connect`."""
    servers = parse(urls)
    options: dict[str, Any] = {
        "socket_timeout": wire.TIMEOUT_S,
        "socket_connect_timeout": wire.TIMEOUT_S,
    }
    if servers[0].scheme == "sentinel":
        sentinel = redis.Sentinel(  # type: ignore[no-untyped-call]
            [(each.host, each.port) for each in servers],
            sentinel_kwargs=_sentinel(settings, RetryNow(NoBackoff(), 0)),
        )
        account = servers[0].account
        master: Any = sentinel.master_for
        return master(settings.sentinel_master, **account, **options)
    kind = places.KINDS_NOW[servers[0].scheme]
    pool = redis.ConnectionPool(connection_class=kind, places=places.of(servers), **options)
    return redis.Redis(connection_pool=pool)


def _sentinel(settings: Settings, retry: Any) -> dict[str, Any]:
    return wire.sentinel_options(settings.sentinel_user, settings.sentinel_password, retry)


async def leave_replica(client: Any, error: BaseException) -> None:
    """If the server said that it is a replica by now, connect anew the next time: a name may lead
    to another one, and nobody who is connected is told."""
    if isinstance(error, ReadOnlyError):
        await client.connection_pool.disconnect()


def why(error: BaseException) -> str:
    """What the system says if it is the system's error: redis-py and asyncio wrap it."""
    begun: BaseException | None = error
    while begun is not None:
        if isinstance(begun, ssl.SSLError):
            # Its errno is OpenSSL's: os.strerror would name another error.
            return str(begun)
        if isinstance(begun, socket.gaierror):
            # Its errno is the resolver's.
            return begun.strerror or str(begun)
        if isinstance(begun, OSError) and begun.errno:
            return os.strerror(begun.errno)
        begun = begun.__cause__ or begun.__context__
    return str(error) or type(error).__name__
