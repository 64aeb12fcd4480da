"""taskiq over a Redis stream: acknowledged once the result is saved.

python -m benchmarks.peers.taskiq_worker COUNT fills its queue; ``taskiq worker`` reads it.
"""

import asyncio
import os
import sys
from base64 import b64encode
from typing import Any

from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

from benchmarks.peers.work import ANSWER, pictures

_URL = os.environ["CELERY_BROKER_URL"]

broker = RedisStreamBroker(_URL, xread_count=100).with_result_backend(
    RedisAsyncResultBackend(_URL, result_ex_time=300)
)


@broker.task(task_name="solve")
async def solve(image: str) -> dict[str, Any]:
    return ANSWER


async def _fill(count: int) -> None:
    await broker.startup()
    for picture in pictures(count):
        await solve.kiq(b64encode(picture).decode())
    await broker.shutdown()


if __name__ == "__main__":
    asyncio.run(_fill(int(sys.argv[1])))
