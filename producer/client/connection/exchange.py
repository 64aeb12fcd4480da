"""Several commands in one writing, a reply for each; what most of a client's time would go for."""

from collections.abc import Sequence
from typing import Any

from redis.exceptions import ReadOnlyError, ResponseError


async def exchange(client: Any, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
    """The server's replies as they are, its errors among them; raises one of `TROUBLE`, so where
    the server is a replica by now: a name may lead to another one, the next time.

    What redis-py's pipeline without a transaction gives, but for its ways of reading some replies;
    it costs half as much. `client`: of redis-py, for asyncio.
    """
    pool = client.connection_pool
    connection = await pool.get_connection()
    try:
        packed = connection.pack_commands(commands)
        await connection.send_packed_command(packed, check_health=False)
        replies: list[Any] = []
        for _ in commands:
            try:
                replies.append(await connection.read_response())
            except ReadOnlyError:
                await connection.disconnect()
                raise
            except ResponseError as error:
                replies.append(error)
        return replies
    finally:
        await pool.release(connection)
