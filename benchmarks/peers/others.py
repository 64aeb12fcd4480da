"""Those that are not Celery's: what they are started with, and what they give up."""

import os
import subprocess
from collections.abc import Callable
from typing import Any

from benchmarks.peers.contender import Contender, interpreter

#: taskiq's and dramatiq's results have ids of so many hexadecimal digits, and nothing else, as key.
_ID = "?" * 32

_TASKIQ = ("--workers", "1", "--log-level", "WARNING")
_ARQ = ("--custom-log-dict", f"{__package__}.arq_worker.QUIET")


def others() -> list[Contender]:
    streamer = ("service_streamer==0.1.2", "hiredis", "setuptools<81")
    taskiq = ("taskiq==0.13.0", "taskiq-redis==1.2.4", "hiredis")
    dramatiq = ("dramatiq[redis]==2.2.1", "hiredis")
    arq = ("arq==0.28.0",)
    saq = ("saq[redis]==0.26.4", "hiredis", "typing_extensions")
    return [
        Contender(
            "service-streamer, Redis mode, batches of 64",
            ["-m", f"{__package__}.streamer_worker", "work"],
            _fill(streamer, "streamer_worker", "fill"),
            lambda redis, count: count - _published(redis),
            "acknowledgement, stored results, events, expiry; kill -9 loses all that waited, which "
            "it had read already",
            streamer,
            results="",
        ),
        Contender(
            "taskiq, a Redis stream",
            ["-m", "taskiq", "worker", f"{__package__}.taskiq_worker:broker", *_TASKIQ],
            _fill(taskiq, "taskiq_worker"),
            _in_group,
            "events; after kill -9 what it had comes back in 10 min",
            taskiq,
            results=_ID,
        ),
        Contender(
            "dramatiq, 8 threads",
            ["-m", "dramatiq", f"{__package__}.dramatiq_worker", "-p", "1", "-t", "8"],
            _fill(dramatiq, "dramatiq_worker"),
            lambda redis, count: int(redis.hlen("dramatiq:default.msgs")),
            "events; after kill -9 what it had comes back in 1 min",
            dramatiq,
            results=_ID,
        ),
        Contender(
            "arq, 256 jobs, a look every 10 ms",
            ["-m", "arq", f"{__package__}.arq_worker.WorkerSettings", *_ARQ],
            _fill(arq, "arq_worker"),
            lambda redis, count: int(redis.zcard("arq:queue")),
            "events; after kill -9 what it had comes back in 5 min",
            arq,
            results="arq:result:*",
        ),
        Contender(
            "saq, 64 jobs",
            ["-m", "saq", f"{__package__}.saq_worker.settings", "--quiet"],
            _fill(saq, "saq_worker"),
            lambda redis, count: int(redis.zcard("saq:default:incomplete")),
            "events; kill -9 fails what it had, unless its sender asked for retries",
            saq,
            results="saq:job:*",
        ),
    ]


def _fill(packages: tuple[str, ...], module: str, *arguments: str) -> Callable[[str, int], None]:
    def fill(url: str, count: int) -> None:
        command = [interpreter(packages), "-m", f"{__package__}.{module}", *arguments, str(count)]
        environ = {**os.environ, "CELERY_BROKER_URL": url}
        subprocess.run(command, env=environ, capture_output=True, check=True)

    return fill


def _published(redis: Any) -> int:
    """Messages published since the server's statistics were reset."""
    calls: int = redis.info("commandstats").get("cmdstat_publish", {}).get("calls", 0)
    return calls


def _in_group(redis: Any, count: int) -> int:
    """What taskiq's consumer group has not read, and what it has not acknowledged."""
    groups = redis.xinfo_groups("taskiq")
    return sum(group["lag"] + group["pending"] for group in groups) if groups else count
