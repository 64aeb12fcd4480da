"""service-streamer's Redis mode: batches of 64, whose answers are published.

python -m benchmarks.peers.streamer_worker work | fill COUNT
"""

import os
import sys
from typing import Any
from urllib.parse import urlparse

from service_streamer import ManagedModel, RedisStreamer, run_redis_workers_forever

from benchmarks.peers.work import ANSWER, pictures


class Nothing(ManagedModel):
    def init_model(self) -> None:
        pass

    def predict(self, batch: list[bytes]) -> list[dict[str, Any]]:
        return [ANSWER] * len(batch)


def main() -> None:
    url = urlparse(os.environ["CELERY_BROKER_URL"])
    broker = f"{url.hostname}:{url.port}"
    if sys.argv[1] == "fill":
        RedisStreamer(redis_broker=broker).submit(list(pictures(int(sys.argv[2]))))
    else:
        run_redis_workers_forever(Nothing, 64, worker_num=1, redis_broker=broker)


if __name__ == "__main__":
    main()
