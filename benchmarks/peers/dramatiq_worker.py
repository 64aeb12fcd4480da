"""dramatiq over Redis: eight threads, results stored, acknowledged afterwards.

python -m benchmarks.peers.dramatiq_worker COUNT fills its queue; ``dramatiq`` reads it.
"""

import os
import sys
from base64 import b64encode
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

from benchmarks.peers.work import ANSWER, pictures

_URL = os.environ["CELERY_BROKER_URL"]

_broker = RedisBroker(url=_URL)
_broker.add_middleware(Results(backend=RedisBackend(url=_URL), store_results=True))
dramatiq.set_broker(_broker)


@dramatiq.actor
def solve(image: str) -> dict[str, Any]:
    return ANSWER


if __name__ == "__main__":
    for picture in pictures(int(sys.argv[1])):
        solve.send(b64encode(picture).decode())
