"""``tilefleet up``: everything in one terminal, and nothing of it left behind."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest
from redis import Redis

from producer import Client
from producer.local.server import EmbeddedServer
from tests.support.running.fleet import NULL, interruptible, wait_until
from tilefleet import report

pytest.importorskip("uvicorn")


class Up:
    """The command, and what it has printed."""

    def __init__(self, *arguments, environ):
        self.text = ""
        self.process = subprocess.Popen(
            interruptible([sys.executable, "-m", "producer.cli", "up", *arguments]),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **NULL, **environ},
            start_new_session=True,
        )
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.text += line

    def shows(self, pattern, times=1):
        """Wait until it has printed this."""

        def found():
            assert self.process.poll() is None or re.search(pattern, self.text), self.text
            return len(re.findall(pattern, self.text)) >= times

        wait_until(found, 40)
        return re.search(pattern, self.text)

    def end(self, number=signal.SIGINT):
        self.process.send_signal(number)
        return self.ended()

    def ended(self):
        """Wait for its end; gives the exit code."""
        code = self.process.wait(40)
        self._reader.join(10)
        self.process.stdout.close()
        return code

    def children(self):
        """(process id, command line) of what it has started."""
        task = Path(f"/proc/{self.process.pid}/task")
        ids = {
            child for each in task.iterdir() for child in (each / "children").read_text().split()
        }
        return [
            (int(child), Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode())
            for child in ids
        ]


@contextmanager
def running(*arguments, **environ):
    up = Up(*arguments, environ={"CELERY_BROKER_URL": "", **environ})
    try:
        yield up
    finally:
        if up.process.poll() is None:
            up.end(signal.SIGTERM)


def gone(pid):
    return not Path(f"/proc/{pid}").exists()


def test_everything_comes_up_reads_captchas_and_ends_in_order(sample):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with running("--port", str(port)) as up:
            up.shows("Ctrl-C ends all of it")
            link = up.shows(r"gateway +(http://127\.0\.0\.1:(\d+)/)")
            assert int(link[2]) != port
            posted = urllib.request.Request(f"{link[1]}v1/solve", sample)
            with urllib.request.urlopen(posted, timeout=20) as response:
                assert json.load(response)["model"] == "null"
            with Client(up.shows(r"(redis://127\.0\.0\.1:\d+/0)")[1]) as fleet:
                assert fleet.solve(sample).model == "null"
            children = up.children()
            assert any("-A tilefleet worker" in line for _, line in children)
            assert any("-A tilefleet flower" in line for _, line in children)
            assert up.end() == 0
    assert all(gone(pid) for pid, _ in children)
    ended = re.findall(r"^(\w+) +│ ended$", up.text, re.MULTILINE)
    assert ended == ["gateway", "worker", "flower", "server"]


def test_a_worker_that_dies_is_started_again_and_a_server_that_dies_ends_all():
    with running("--no-flower") as up:
        up.shows("Ctrl-C ends all of it")
        (worker,) = (pid for pid, line in up.children() if "-A tilefleet worker" in line)
        os.kill(worker, signal.SIGKILL)
        up.shows(r"worker +│ ended by SIGKILL; it is started again")
        up.shows(r"worker +│ ready", times=2)
        children = up.children()
        (server,) = (pid for pid, line in children if "producer" not in line and ":" in line)
        os.kill(server, signal.SIGKILL)
        assert up.ended() == 1
        assert "is gone, and with it what waited" in up.text
    assert all(gone(pid) for pid, _ in children)


def test_a_server_and_results_that_files_name_are_used_by_every_part(sample, tmp_path):
    with EmbeddedServer() as server, EmbeddedServer() as results:
        for name, url in (("broker", server.url), ("results", results.url)):
            (tmp_path / name).write_text(url + "\n")
        with running(
            "--no-flower",
            CELERY_BROKER_URL_FILE=str(tmp_path / "broker"),
            CELERY_RESULT_BACKEND_FILE=str(tmp_path / "results"),
            CELERY_WORKER_HOSTNAME="mine@here",
        ) as up:
            up.shows("Ctrl-C ends all of it")
            assert f"127.0.0.1:{server.port}/0" in up.text
            assert "as CELERY_BROKER_URL_FILE says" in up.text
            assert not any("producer" not in line and ":" in line for _, line in up.children())
            link = up.shows(r"gateway +(http://127\.0\.0\.1:(\d+)/)")
            posted = urllib.request.Request(f"{link[1]}v1/solve", sample)
            with urllib.request.urlopen(posted, timeout=20) as response:
                assert json.load(response)["model"] == "null"
            with Redis.from_url(results.url) as redis:
                assert b"mine@here" in redis.hgetall(report.KEY)
                assert redis.keys("celery-task-meta-*")
            with Redis.from_url(server.url) as redis:
                assert not redis.keys("celery-task-meta-*")


def test_a_worker_that_cannot_start_ends_all_and_a_server_of_others_is_left():
    with (
        EmbeddedServer() as server,
        running(
            "--no-flower",
            CELERY_BROKER_URL=server.url,
            TILEFLEET_MODEL="nothing",
            TILEFLEET_ENGINE="litert",
        ) as up,
    ):
        assert up.ended() == 1
        assert "no model called 'nothing'" in up.text
        assert re.search("worker +│ ended with exit code 1 before it was ready: all ends", up.text)
        assert re.search("server +│ is left as it was", up.text)
        assert not gone(server.pid)
