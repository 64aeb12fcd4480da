"""Many commands in one write and one read, each with its reply or its error.

As redis-py's pipeline without a transaction, packed by hiredis at once: redis-py goes through each
argument of each command in Python (`benchmarks.shortcuts`).
"""

from collections.abc import Sequence
from typing import Any

import hiredis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, ResponseError

Command = tuple[Any, ...]


def exchange(client: Any, commands: Sequence[Command]) -> list[Any]:
    """The replies; what the server refused is a `ResponseError` among them.

    `client`: redis-py's. Raises RedisError or OSError where the server does not answer, after as
    many attempts as the client's connections make.
    """
    packed = [b"".join(map(hiredis.pack_command, commands))]
    pool = client.connection_pool
    connection = pool.get_connection()

    def attempt() -> list[Any]:
        connection.send_packed_command(packed)
        try:
            # Off its parser: redis-py's own way takes as long again for each.
            others = [connection._parser.read_response() for _ in commands[1:]]
        except OSError as error:
            raise RedisConnectionError(f"reading replies: {error}") from error
        return [*others, _read(connection)]

    try:
        replies: list[Any] = connection.retry.call_with_retry(
            attempt, lambda _: connection.disconnect()
        )
    except BaseException:
        # Replies may be left on it.
        connection.disconnect()
        raise
    finally:
        pool.release(connection)
    leave_replica(client, replies[0])
    return replies


def leave_replica(client: Any, error: object) -> None:
    """If this is a server's error that it is a replica by now, connect anew the next time: a name
    may lead to another server, which says so to nobody who is connected."""
    if isinstance(error, ReadOnlyError):
        client.connection_pool.disconnect(inuse_connections=False)


def _read(connection: Any) -> Any:
    try:
        return connection.read_response()
    except ResponseError as error:
        return error
