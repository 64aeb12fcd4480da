"""Whatever is on the queue: the worker goes on, keeps nothing, and shows no image."""

import os
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from models import wire
from producer import Client
from producer.embedded import EmbeddedServer
from producer.workers import WorkerProcess
from tests.fleet import wait_until
from tests.fuzz.strategies import texts
from tests.integration.test_bad_messages import WITH_ID, WITHOUT_ID

LONG = bool(os.environ.get("TILEFLEET_CHAOS"))
FUZZ = settings(
    max_examples=5000 if LONG else 300,
    derandomize=not LONG,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
LANES = (wire.LANE, "unacked", "unacked_index")


@pytest.fixture(scope="module")
def server():
    with EmbeddedServer() as server:
        yield server


@pytest.fixture(scope="module")
def worker(server):
    with WorkerProcess(server.url, environ={"TILEFLEET_ENGINE": "null"}) as worker:
        yield worker


@pytest.fixture(scope="module")
def redis(server):
    with Redis.from_url(server.url) as redis:
        yield redis


@pytest.fixture(scope="module")
def fleet(server, worker):
    with Client(server.url) as fleet:
        yield fleet


def test_any_message_leaves_the_worker_at_work(worker, redis, fleet):
    @FUZZ
    @given(st.lists(texts, min_size=1, max_size=20))
    def push(chunk):
        redis.lpush(wire.LANE, *chunk)
        assert fleet.solve(b"a good one", timeout=10).model == "null"
        assert worker.process.poll() is None

    push()
    # Some ask to be read later: these stay claimed, and nothing else.
    wait_until(lambda: redis.llen(wire.LANE) == 0)
    assert "Unrecoverable" not in worker.log


def resident_kb(pid: int) -> int:
    with Path(f"/proc/{pid}/status").open() as status:
        return int(next(line.split()[1] for line in status if line.startswith("VmRSS")))


def test_memory_does_not_grow_with_bad_messages():
    warm, many = (10_000, 100_000) if LONG else (1_000, 5_000)
    chance = random.Random(12306)
    bad = [*(text for text, _ in WITH_ID.values()), *WITHOUT_ID.values()]
    with (
        EmbeddedServer() as server,
        WorkerProcess(server.url, environ={"TILEFLEET_ENGINE": "null"}) as worker,
        Client(server.url) as fleet,
        Redis.from_url(server.url) as redis,
    ):

        def push(count: int) -> int:
            for _ in range(count // 250):
                redis.lpush(wire.LANE, *chance.choices(bad, k=250))
                assert fleet.solve(b"a good one", timeout=30).model == "null"
            wait_until(lambda: not redis.exists(*LANES) or None, 10)
            return resident_kb(worker.process.pid)

        before = push(warm)
        assert push(many - warm) < 1.1 * before
        assert worker.process.poll() is None
        assert "secret" not in worker.log
