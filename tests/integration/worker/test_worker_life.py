"""How a worker starts, stops and fails: nothing accepted is lost."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kombu import Connection
from redis import Redis

from models import store
from producer import Client
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tests.support.running.fleet import NULL, wait_until
from tilefleet import errors, wire


@pytest.fixture
def own_server():
    with EmbeddedServer() as server:
        yield server


def failing_worker(url: str, **environ: str) -> WorkerProcess:
    worker = WorkerProcess(url, environ=environ)
    with pytest.raises(errors.FleetError, match="exit code"):
        worker.__enter__()
    return worker


def test_a_model_that_is_not_there_stops_the_worker_with_its_name(own_server):
    worker = failing_worker(own_server.url, TILEFLEET_MODEL="nothing")
    assert worker.process.returncode not in (0, None)
    assert "no model called 'nothing'" in worker.log
    assert "Traceback" not in worker.log


def test_a_damaged_model_stops_the_worker(own_server, tmp_path):
    shutil.copytree(store.BUILTIN / "builtin", tmp_path / "damaged")
    (tmp_path / "damaged" / "tiles.tflite").write_bytes(b"zeros")
    environ = {"TILEFLEET_MODEL": "damaged", "TILEFLEET_STORE": str(tmp_path)}
    worker = failing_worker(own_server.url, **environ)
    assert worker.process.returncode not in (0, None)
    assert "the file was changed or damaged" in worker.log


def test_a_wrong_setting_stops_the_worker_with_one_line(own_server):
    worker = failing_worker(own_server.url, TILEFLEET_ENGINE="gpu")
    assert worker.log.strip() == (
        "tilefleet: TILEFLEET_ENGINE='gpu' is not usable: give one of auto, litert, keras, null"
    )


def test_no_message_is_taken_before_the_model_is_warm(own_server):
    with Client(own_server.url) as fleet, Redis.from_url(own_server.url) as redis:
        pending = fleet.submit(b"any")
        failing_worker(own_server.url, TILEFLEET_MODEL="nothing")
        assert redis.llen(wire.LANE) == 1
        with WorkerProcess(own_server.url, environ=NULL):
            assert pending.result(20).model == "null"


def test_a_stopping_worker_finishes_what_it_claimed(own_server, sample):
    with Client(own_server.url) as fleet, Redis.from_url(own_server.url) as redis:
        with WorkerProcess(own_server.url) as worker:
            pending = [fleet.submit(sample) for _ in range(150)]
            assert worker.stop() == 0
        ready = [each for each in pending if each.ready()]
        assert ready
        # What it had not claimed waits for the next worker; nothing hangs in between.
        assert len(ready) + redis.llen(wire.LANE) == 150
        assert redis.hlen("unacked") == 0
        with WorkerProcess(own_server.url):
            assert all(each.result(60).picks for each in pending)


def test_what_a_killed_worker_had_claimed_is_kept_for_another(own_server, sample):
    with Client(own_server.url) as fleet, Redis.from_url(own_server.url) as redis:
        with WorkerProcess(own_server.url) as worker:
            # A few bytes behind the end marker: each has to be read for itself.
            pending = [fleet.submit(sample + bytes([number])) for number in range(100)]
            worker.process.send_signal(signal.SIGKILL)
            worker.process.wait()
        records = [json.loads(record)[0] for record in redis.hvals("unacked")]
        waiting = [json.loads(message) for message in redis.lrange(wire.LANE, 0, -1)]
        kept = {message["headers"]["id"] for message in [*records, *waiting]}
        stored = {each.id for each in pending if redis.exists(f"celery-task-meta-{each.id}")}
        assert kept | stored == {each.id for each in pending}
        assert len(records) + len(waiting) == len(kept)
        with WorkerProcess(own_server.url, environ={**NULL, "TILEFLEET_LEASE_S": "1"}):
            assert len([each.result(30) for each in pending]) == 100


def test_memory_stays_flat_over_bad_images(own_server):
    with Client(own_server.url) as fleet, WorkerProcess(own_server.url) as worker:

        def send(count: int) -> int:
            outcomes = fleet.outcomes([bytes(1_000_000)] * count, window=8)
            refused = [isinstance(outcome, errors.NotAnImage) for _, outcome in outcomes]
            assert refused == [True] * count
            return resident_kb(worker.process.pid)

        before = send(120)
        # Kept, they would be 360 MB; what fragmentation costs depends on the day.
        assert send(360) - before < 180_000


def test_an_image_is_freed_when_it_is_answered_and_not_when_the_collector_comes_by(own_server):
    include = ("--include", "tests.support.included.no_collector")
    worker = WorkerProcess(own_server.url, *include, environ=NULL)
    with Client(own_server.url) as fleet, worker:

        def send(first: int, last: int) -> int:
            images = (number.to_bytes(200_000, "big") for number in range(first, last))
            answers = [answer for _, answer in fleet.map(images, window=16)]
            assert len(answers) == last - first
            assert all(answer.picks for answer in answers)
            return resident_kb(worker.process.pid)

        before = send(0, 100)
        assert send(100, 500) - before < 40_000


def resident_kb(pid: int) -> int:
    with Path(f"/proc/{pid}/status").open() as status:
        return int(next(line.split()[1] for line in status if line.startswith("VmRSS")))


def test_without_a_broker_the_client_says_so_at_once():
    started = time.monotonic()
    refused = pytest.raises(errors.FleetUnreachable, match=r"redis://127\.0\.0\.1:1/0.*refused")
    with Client("redis://127.0.0.1:1/0") as fleet, refused:
        fleet.solve(b"any", timeout=5)
    assert time.monotonic() - started < 10


def test_without_a_broker_the_command_line_prints_one_line(tmp_path):
    (tmp_path / "captcha.jpg").write_bytes(b"any")
    done = subprocess.run(
        [sys.executable, "-m", "producer.cli", "solve", str(tmp_path / "captcha.jpg")],
        capture_output=True,
        text=True,
        timeout=30,
        env={"PATH": "/usr/bin:/bin", "CELERY_BROKER_URL": "redis://127.0.0.1:1/0"},
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "refused" in done.stderr


def test_without_a_worker_the_client_times_out_with_advice(own_server):
    too_late = pytest.raises(errors.AnswerTimeout, match="is a worker running")
    with Client(own_server.url) as fleet, too_late:
        fleet.solve(b"any", timeout=0.3)


@pytest.mark.parametrize(
    "body",
    [
        b"\xff\xfe",
        b"[1]",
        b'{"a": 1}',
        b"[[], {}]",
        b"null",
        b"[1,2,3]",
        b"[[1], {}, [1]]",
        b"[[1], 5, {}]",
        b'["abc", {}, {}]',
    ],
)
def test_a_malformed_message_does_not_stop_the_worker(server, worker, fleet, sample, body):
    with Connection(server.url) as connection:
        connection.Producer().publish(
            body,
            routing_key=wire.LANE,
            content_type="application/json",
            content_encoding="utf-8",
            headers={"task": wire.TASK_SOLVE, "id": "made-by-hand", "lang": "py"},
        )
    assert fleet.solve(sample, timeout=20).picks
    assert worker.process.poll() is None


@pytest.mark.parametrize("task_id", [5, "", None, [1], {"a": 1}])
def test_a_message_whose_id_is_no_text_does_not_stop_the_worker(
    server, worker, fleet, sample, task_id
):
    with Connection(server.url) as connection:
        connection.Producer().publish(
            [[sample], {}, {}],
            serializer="msgpack",
            routing_key=wire.LANE,
            headers={"task": wire.TASK_SOLVE, "id": task_id, "lang": "py"},
        )
    assert fleet.solve(sample + b"another", timeout=15).picks
    assert worker.process.poll() is None


@pytest.mark.parametrize("signals", [[signal.SIGQUIT], [signal.SIGINT, signal.SIGINT]])
def test_a_cold_shutdown_gives_back_what_is_read(own_server, signals):
    options = ("-c", "1", "--include", "tests.support.included.strange_engine")
    worker = WorkerProcess(own_server.url, *options, environ={**NULL, "TILEFLEET_MAX_BATCH": "1"})
    with Client(own_server.url) as fleet, worker:
        pending = [fleet.submit(b"slow %d" % number, expires=60) for number in range(4)]
        wait_until(lambda: pending[0].ready())
        for number in signals:
            worker.process.send_signal(number)
            time.sleep(0.3)
        worker.process.wait(20)
        assert "Traceback" not in worker.log
        with WorkerProcess(own_server.url, "-c", "1", environ=NULL):
            assert [each.result(25).model for each in pending] == ["null"] * 4
