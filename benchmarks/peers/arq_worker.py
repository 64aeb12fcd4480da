"""arq: pickled jobs of a sorted set, looked at every 10 ms, up to 256 side by side.

python -m benchmarks.peers.arq_worker COUNT fills its queue; ``arq`` reads it.
"""

import asyncio
import os
import sys
from typing import Any

from arq import create_pool
from arq.connections import RedisSettings

from benchmarks.peers.work import ANSWER, pictures

#: Instead of two lines for each job.
QUIET = {"version": 1, "disable_existing_loggers": False}

_SERVER = RedisSettings.from_dsn(os.environ["CELERY_BROKER_URL"])


async def solve(context: Any, image: bytes) -> dict[str, Any]:
    return ANSWER


class WorkerSettings:
    functions = (solve,)
    redis_settings = _SERVER
    max_jobs = 256
    poll_delay = 0.01
    keep_result = 300


async def _fill(count: int) -> None:
    pool = await create_pool(_SERVER)
    for picture in pictures(count):
        await pool.enqueue_job("solve", picture)
    await pool.aclose()


if __name__ == "__main__":
    asyncio.run(_fill(int(sys.argv[1])))
