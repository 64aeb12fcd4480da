"""The command line against a running fleet, as people and scripts use it."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image
from redis import Redis

from producer import Client
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tests.conftest import SAMPLES
from tests.support.running.fleet import NULL, another_app, interruptible, wait_until
from tilefleet import report, wire

COMMAND = [sys.executable, "-m", "producer.cli"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("signs") / "worker"


@pytest.fixture(scope="module")
def null_worker(folder):
    environ = {**NULL, "TILEFLEET_LOG": "json", "TILEFLEET_HEALTH": str(folder)}
    with (
        EmbeddedServer() as server,
        WorkerProcess(server.url, "--loglevel", "debug", environ=environ) as worker,
    ):
        worker.server = server
        yield worker


@pytest.fixture
def tilefleet(null_worker, folder):
    environ = {
        **os.environ,
        "CELERY_BROKER_URL": null_worker.server.url,
        "TILEFLEET_HEALTH": str(folder),
    }

    def run(*arguments, **options):
        return subprocess.run(
            [*COMMAND, *map(str, arguments)],
            capture_output=True,
            timeout=60,
            env={**environ, **options.pop("environ", {})},
            **options,
        )

    run.environ = environ
    return run


def size_of(picture):
    with Image.open(picture) as opened:
        return opened.size


# solve --------------------------------------------------------------------------------------------


def test_a_folder_a_pattern_and_a_file_are_answered_in_order(tilefleet, tmp_path):
    for name in ("b.jpg", "a.PNG", "deep/c.gif", "notes.txt", ".hidden.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"any")
    done = tilefleet("solve", "--json", ".", "deep/*.g?f", "notes.txt", "none*", cwd=tmp_path)
    assert done.returncode == 1
    files = [json.loads(line)["file"] for line in done.stdout.splitlines()]
    assert files == ["a.PNG", "b.jpg", "deep/c.gif", "deep/c.gif", "notes.txt"]
    assert "none*: nothing is called like this" in done.stderr.decode()
    assert "5 of 6 answered, 1 failed" in done.stderr.decode()


def test_the_standard_input_is_a_picture_or_a_list(tilefleet, sample, tmp_path):
    done = tilefleet("solve", "--json", "-", "--picture", tmp_path / "out.png", input=sample)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["file"] == "-"
    assert size_of(tmp_path / "out.png") == (879, 674)
    names = "\n".join(str(path) for path in sorted(SAMPLES.glob("*.jpg"))[:3])
    done = tilefleet("solve", "--json", "--files-from", "-", input=names.encode())
    assert [json.loads(line)["file"] for line in done.stdout.splitlines()] == names.splitlines()


def test_progress_is_shown_on_a_terminal_only(tilefleet, tmp_path):
    os.mkfifo(tmp_path / "list")
    main, terminal = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "solve", "--json", "--files-from", str(tmp_path / "list")],
        stdout=subprocess.PIPE,
        stderr=terminal,
        env=tilefleet.environ,
    )
    os.close(terminal)
    with (tmp_path / "list").open("w") as names:
        for _ in range(2):
            names.write(f"{min(SAMPLES.glob('*.jpg'))}\n" * 80)
            names.flush()
            # What is done at once shows no progress.
            time.sleep(0.6)
    answers, _ = process.communicate(timeout=60)
    shown = os.read(main, 10_000)
    os.close(main)
    assert process.returncode == 0
    assert len(answers.splitlines()) == 160
    assert re.search(rb"\d+  [\d.]+/s", shown)
    # And it is wiped out at the end, where the summary stands.
    assert b"tilefleet: 160 answered, in " in shown.rpartition(b"\x1b[K")[2]


def test_what_appears_in_a_folder_is_answered_until_ctrl_c(tilefleet, tmp_path):
    pytest.importorskip("watchfiles")
    process = subprocess.Popen(
        interruptible([*COMMAND, "solve", "--json", "--watch", str(tmp_path)]),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        env={**tilefleet.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert b"watching" in process.stderr.readline()
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(b"any")
        assert json.loads(process.stdout.readline())["file"] == str(tmp_path / name)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"stopped; 2 answered" in told


def test_ctrl_c_prints_what_is_done_and_exits_with_130(tilefleet, tmp_path):
    # A list that does not end.
    fifo = tmp_path / "list"
    os.mkfifo(fifo)
    process = subprocess.Popen(
        interruptible([*COMMAND, "solve", "--json", "--files-from", str(fifo)]),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # What a buffer holds, communicate() does not see.
        bufsize=0,
        env=tilefleet.environ,
    )
    with fifo.open("w") as names:
        names.write(f"{min(SAMPLES.glob('*.jpg'))}\n" * 100)
        names.flush()
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=30)
    assert process.returncode == 130, error
    done = 1 + len(out.splitlines())
    assert f"stopped; {done} answered" in error.decode()
    assert b"Traceback" not in error


def test_pictures_of_several_captchas_need_several_names(tilefleet, tmp_path):
    files = sorted(SAMPLES.glob("*.jpg"))[:2]
    done = tilefleet("solve", *files, "--picture", tmp_path / "out.png")
    assert done.returncode == 2
    assert b"is one file, for several captchas" in done.stderr
    assert done.stdout == b""
    tilefleet("solve", *files, *files, "--picture", f"{tmp_path}/album/")
    assert sorted(path.name for path in (tmp_path / "album").iterdir()) == [
        "000-2.png",
        "000.png",
        "001-2.png",
        "001.png",
    ]
    tilefleet("solve", *files, "--picture", f"{tmp_path}/{{number}}-{{name}}.png")
    assert (tmp_path / "000002-001.png").is_file()


# bench --------------------------------------------------------------------------------------------


def test_bench_counts_answers_bad_images_and_passes(tilefleet, tmp_path):
    picture = tmp_path / "latencies.png"
    # So that the worker's last line has what other tests made it do.
    time.sleep(2 * report.EVERY_S)
    options = ["--seconds", 1, "--clients", 4, "--bad", 0.2, "--duplicates", 0.3, "--json"]
    done = tilefleet("bench", *options, "--picture", picture)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    # The null engine does not look: for it, nothing is a bad image.
    assert found["sent"] == found["answered"] + found["bad_answered"]
    assert found["bad_answered"] > 0
    assert found["errors"] == {}
    passes = found["passes"]
    captchas = sum(int(size) * count for size, count in passes["sizes"].items())
    # And the one before, which makes the connections. Some join when their pass is being counted.
    assert found["sent"] + 1 - passes["joined"] <= captchas <= found["sent"] + 1
    latency = found["latency_ms"]
    assert 0 < latency["p50"] <= latency["p90"] <= latency["p99"] <= latency["max"]
    assert size_of(picture)[0] > 800


def test_an_open_loop_sends_at_its_rate(tilefleet):
    done = tilefleet("bench", "--seconds", 2, "--rate", 100, "--json", SAMPLES)
    found = json.loads(done.stdout)
    # Poisson: 200 expected, with a standard deviation of 14.
    assert 100 < found["sent"] < 300
    assert found["loop"] == "open"


def test_bench_of_a_worker_that_hangs_counts_what_nobody_answered(tilefleet, null_worker):
    bench = subprocess.Popen(
        [*COMMAND, "bench", "--seconds", "2", "--rate", "200", "--timeout", "1", "--json"],
        stdout=subprocess.PIPE,
        env=tilefleet.environ,
    )
    with Redis.from_url(null_worker.server.url) as redis:
        done = redis.info("commandstats")["cmdstat_lpush"]["calls"]
        wait_until(lambda: redis.info("commandstats")["cmdstat_lpush"]["calls"] > done + 50)
    null_worker.process.send_signal(signal.SIGSTOP)
    try:
        found = json.loads(bench.communicate(timeout=30)[0])
    finally:
        null_worker.process.send_signal(signal.SIGCONT)
    assert found["errors"]["AnswerTimeout"] > 0
    assert found["sent"] == found["answered"] + sum(found["errors"].values())


def test_bench_of_a_fleet_that_is_away_is_one_line(tilefleet):
    done = tilefleet("bench", environ={"CELERY_BROKER_URL": "redis://127.0.0.1:1/0"})
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert b"refused" in done.stderr


# top ----------------------------------------------------------------------------------------------


def test_top_shows_each_worker_and_what_waits(tilefleet, null_worker):
    with Client(null_worker.server.url) as fleet, Redis.from_url(null_worker.server.url) as redis:
        null_worker.process.send_signal(signal.SIGSTOP)
        try:
            pending = [fleet.submit(b"%d" % number) for number in range(200)]
            found = json.loads(tilefleet("top", "--once", "--json").stdout)
            waiting = redis.llen(wire.LANE)
        finally:
            null_worker.process.send_signal(signal.SIGCONT)
        assert found["waiting"][wire.LANE] == waiting > 0
        assert all(each.result(20) for each in pending)
    found = wait_until(
        lambda: (
            top
            if (top := json.loads(tilefleet("top", "--once", "--json").stdout))["workers"]
            else None
        )
    )
    (worker,) = found["workers"].values()
    assert worker["model"] == worker["engine"] == "null"
    assert worker["captchas"] >= 200
    shown = tilefleet("top", "--once").stdout.decode()
    assert "captchas/s" in shown
    assert next(iter(found["workers"])) in shown


# health -------------------------------------------------------------------------------------------


def test_a_worker_is_healthy_until_it_is_stopped_and_again_after(tilefleet, null_worker):
    assert tilefleet("health").returncode == 0
    null_worker.process.send_signal(signal.SIGSTOP)
    try:

        def unhealthy():
            done = tilefleet("health", "--stale", 1.5)
            return done if done.returncode == 1 else None

        assert b"nothing has moved" in wait_until(unhealthy).stderr
    finally:
        null_worker.process.send_signal(signal.SIGCONT)
    wait_until(lambda: tilefleet("health", "--stale", 1.5).returncode == 0)


def test_health_loads_neither_celery_nor_redis_nor_a_network(tilefleet):
    script = (
        "import sys; from producer.cli import main\n"
        "try: main(['health'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, env=tilefleet.environ, check=True
    )
    loaded = set(done.stdout.decode().split())
    assert "producer" in loaded
    assert loaded.isdisjoint({"celery", "kombu", "redis", "worker", "numpy", "PIL", "rich"})


def test_without_a_folder_health_says_what_to_set(tilefleet):
    done = tilefleet("health", environ={"TILEFLEET_HEALTH": ""})
    assert done.returncode == 1
    assert b"TILEFLEET_HEALTH" in done.stderr


def test_a_worker_that_is_told_to_stop_is_not_ready_and_leaves_no_sign(tmp_path):
    environ = {**NULL, "TILEFLEET_HEALTH": str(tmp_path)}
    (tmp_path / "ready").write_text("of one that was killed")
    with EmbeddedServer() as server:
        worker = WorkerProcess(server.url, environ=environ)
        worker.start()
        try:
            wait_until(lambda: not (tmp_path / "ready").exists())
            worker.wait_ready()
            wait_until((tmp_path / "ready").exists)
            assert str(worker.process.pid) in (tmp_path / "ready").read_text()
        finally:
            assert worker.stop() == 0
        assert list(tmp_path.iterdir()) == []


def test_while_the_server_is_away_the_worker_lives(tmp_path, tilefleet):
    environ = {**NULL, "TILEFLEET_HEALTH": str(tmp_path)}
    with EmbeddedServer() as server, WorkerProcess(server.url, environ=environ):
        wait_until((tmp_path / "ready").exists)
        server.stop()
        before = (tmp_path / "heartbeat").stat().st_mtime
        wait_until(lambda: (tmp_path / "heartbeat").stat().st_mtime > before + 3)


# logs ---------------------------------------------------------------------------------------------


def test_every_line_of_a_json_log_is_an_object_and_knows_its_task(null_worker):
    image = b"\x89PNG-the-picture-itself" * 100
    with Client(null_worker.server.url) as fleet:
        pending = fleet.submit(image)
        pending.result(20)
        with another_app(null_worker.server.url) as app, app.producer_pool.acquire() as producer:
            producer.publish(b"{", routing_key=wire.LANE, headers={"id": "a-strange-one"})
        wait_until(lambda: "a-strange-one" in null_worker.log)
    lines = [json.loads(line) for line in null_worker.log.splitlines()]
    about = [line for line in lines if line.get("task") == pending.id]
    assert any("received" in line["message"] for line in about)
    assert all(pending.id not in line["message"] or "task" in line for line in lines)
    refused = [line for line in lines if line.get("task") == "a-strange-one"]
    assert refused
    assert refused[0]["level"] == "ERROR"
    assert "the-picture-itself" not in null_worker.log
