"""Whatever is on the queue: the worker goes on, keeps nothing, and shows no image."""

import os
import random
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models import wire
from tests.fleet import null_fleet, wait_until
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


def test_any_message_leaves_the_worker_at_work():
    with null_fleet() as fleet:

        @FUZZ
        @given(st.lists(texts, min_size=1, max_size=20))
        def push(chunk):
            fleet.redis.lpush(wire.LANE, *chunk)
            assert fleet.client.solve(b"a good one", timeout=10).model == "null"
            assert fleet.worker.process.poll() is None

        push()
        # Some ask to be read later: these stay claimed, and nothing else.
        wait_until(lambda: fleet.redis.llen(wire.LANE) == 0)
        assert "Unrecoverable" not in fleet.worker.log


def resident_kb(pid: int) -> int:
    with Path(f"/proc/{pid}/status").open() as status:
        return int(next(line.split()[1] for line in status if line.startswith("VmRSS")))


def test_memory_does_not_grow_with_bad_messages():
    warm, many = (10_000, 100_000) if LONG else (1_000, 5_000)
    chance = random.Random(12306)
    bad = [*(text for text, _ in WITH_ID.values()), *WITHOUT_ID.values()]
    with null_fleet() as fleet:

        def push(count: int) -> int:
            for _ in range(count // 250):
                fleet.redis.lpush(wire.LANE, *chance.choices(bad, k=250))
                assert fleet.client.solve(b"a good one", timeout=30).model == "null"
            wait_until(lambda: not fleet.redis.exists(*LANES), 10)
            return resident_kb(fleet.worker.process.pid)

        before = push(warm)
        assert push(many - warm) < 1.1 * before
        assert fleet.worker.process.poll() is None
        assert "secret" not in fleet.worker.log
