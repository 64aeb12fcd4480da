"""saq: jobs as JSON, up to 64 side by side.

python -m benchmarks.peers.saq_worker COUNT fills its queue; ``saq`` reads it.
"""

import asyncio
import os
import sys
from base64 import b64encode
from typing import Any

from saq import Queue

from benchmarks.peers.work import ANSWER, pictures

_queue = Queue.from_url(os.environ["CELERY_BROKER_URL"])


async def solve(context: Any, *, image: str) -> dict[str, Any]:
    return ANSWER


settings = {"queue": _queue, "functions": [solve], "concurrency": 64}


async def _fill(count: int) -> None:
    await _queue.connect()
    for picture in pictures(count):
        await _queue.enqueue("solve", image=b64encode(picture).decode(), ttl=300)
    await _queue.disconnect()


if __name__ == "__main__":
    asyncio.run(_fill(int(sys.argv[1])))
