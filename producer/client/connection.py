"""A connection to the server, for asyncio, and what is said when it breaks."""

import asyncio
import os
import ssl
from typing import Any, Final
from urllib.parse import urlsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

#: What a connection that breaks, or that cannot be had, raises.
TROUBLE: Final = (RedisError, OSError, asyncio.TimeoutError)

#: Pauses before it is tried again, seconds; each is taken with jitter.
PAUSES_S: Final = (0.1, 0.3, 0.9)


def connect(
    url: str, sentinel_master: str, *, socket_timeout: float | None, protocol: int = 3
) -> Any:
    """A client with one connection, which is not mended behind our back."""
    options: dict[str, Any] = {
        "socket_timeout": socket_timeout,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "protocol": protocol,
        "retry": Retry(NoBackoff(), 0),
    }
    if url.startswith("sentinel://"):
        nodes = [urlsplit(each) for each in url.split(";")]
        sentinel = Sentinel(  # type: ignore[no-untyped-call]
            [(node.hostname, node.port or 26379) for node in nodes], socket_connect_timeout=5
        )
        path = nodes[0].path.strip("/") or "0"
        return sentinel.master_for(sentinel_master, db=int(path), **options)
    url = url.partition(";")[0].replace("redis+socket://", "unix://")
    return Redis(
        connection_pool=BlockingConnectionPool.from_url(
            url, max_connections=1, timeout=20, **options
        )
    )


def why(error: BaseException) -> str:
    """What the system says if it is the system's error: redis-py and asyncio wrap it."""
    begun: BaseException | None = error
    while begun is not None:
        if isinstance(begun, ssl.SSLError):
            # Its number is none of the system's.
            return str(begun)
        if isinstance(begun, OSError) and begun.errno:
            return os.strerror(begun.errno)
        begun = begun.__cause__ or begun.__context__
    return str(error) or type(error).__name__
