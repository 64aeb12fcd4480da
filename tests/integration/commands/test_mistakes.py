"""The ten usual mistakes, made with the real command: one line each that says what to do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from redis import Redis

from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tests.conftest import SAMPLES
from tests.support.running import accounts
from tests.support.running.fleet import NULL
from tests.support.running.servers import stopped

OWN_SERVER = True

SAMPLE = min(SAMPLES.glob("*.jpg"))


@pytest.fixture
def tilefleet(tmp_path, server):
    """Runs it; gives the one line that it says on the standard error."""

    def run(*arguments, code=1, broken="", **environ):
        # What every Python runs at its start: so is what is not there not there for it.
        (tmp_path / "site").mkdir(exist_ok=True)
        (tmp_path / "site" / "sitecustomize.py").write_text(f"import sys\n{broken}\n")
        done = subprocess.run(
            [str(Path(sys.executable).with_name("tilefleet")), *map(str, arguments)],
            env={
                **os.environ,
                "CELERY_BROKER_URL": server.url,
                "PYTHONPATH": str(tmp_path / "site"),
                **environ,
            },
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode, done.stdout) == (code, "")
        (line,) = done.stderr.splitlines()
        assert line.startswith("tilefleet")
        return line

    return run


def test_no_server(tilefleet):
    line = tilefleet("solve", SAMPLE, CELERY_BROKER_URL="redis://127.0.0.1:1/0")
    assert "redis://127.0.0.1:1/0: Connection refused" in line
    assert "tilefleet up starts one" in line


def test_a_wrong_url(tilefleet):
    line = tilefleet("solve", SAMPLE, CELERY_BROKER_URL="http://queue:6379")
    assert "CELERY_BROKER_URL='http://queue:6379' is not usable" in line
    assert "give a URL such as redis://host:6379/0" in line
    line = tilefleet("solve", SAMPLE, CELERY_BROKER_URL="redis://no.such.host.invalid/0")
    assert "is the host in CELERY_BROKER_URL spelt right?" in line


def test_an_extra_that_is_not_installed(tilefleet):
    line = tilefleet("solve", "--local", SAMPLE, broken="sys.modules['numpy'] = None")
    assert line.endswith("pip install 'tilefleet[worker]'")
    line = tilefleet("top", broken="sys.modules['rich'] = None")
    assert line.endswith("pip install 'tilefleet[terminal]'")
    line = tilefleet("serve", broken="sys.modules['uvicorn'] = None")
    assert line.endswith("pip install 'tilefleet[gateway]'")


def test_a_mistyped_option(tilefleet):
    line = tilefleet("solve", "--timout", "5", SAMPLE, code=2)
    assert "no such option --timout; did you mean --timeout?" in line


def test_a_wrong_file(tilefleet, tmp_path):
    (tmp_path / "captcha.jpg").write_bytes(SAMPLE.read_bytes())
    line = tilefleet("solve", tmp_path / "capcha.jpg")
    assert f"did you mean {tmp_path / 'captcha.jpg'}?" in line
    (tmp_path / "notes.txt").write_text("buy milk")
    line = tilefleet("solve", "--local", tmp_path / "notes.txt")
    assert "NotAnImage: 8 bytes" in line


def test_a_stopped_worker(tilefleet, server):
    with WorkerProcess(server.url, environ=NULL) as worker, stopped(worker.process.pid):
        line = tilefleet("solve", "--timeout", "1", SAMPLE)
    assert "AnswerTimeout: no answer within 1 s" in line
    assert "is a worker running? Start one with: tilefleet worker" in line


def test_a_wrong_password(tilefleet, server):
    with Redis.from_url(server.url) as redis:
        redis.acl_setuser("bot", enabled=True, passwords=["+right"], commands=["+ping"])
    url = accounts.of("", server.url).replace("//", "//bot:wrong@")
    line = tilefleet("solve", SAMPLE, CELERY_BROKER_URL=url)
    assert "wrong" not in line.replace("WRONGPASS", "")
    assert "give its user and password in CELERY_BROKER_URL" in line


def test_a_full_server(tilefleet):
    with EmbeddedServer("--maxmemory", "1mb") as full:
        line = tilefleet("solve", SAMPLE, CELERY_BROKER_URL=full.url)
    assert "its memory is full: raise its maxmemory" in line


def test_a_wrong_model(tilefleet, tmp_path):
    line = tilefleet(
        "solve", "--local", "--model", "bultin", SAMPLE, TILEFLEET_STORE=str(tmp_path / "store")
    )
    assert "there are: builtin; did you mean builtin?" in line


def test_an_old_python(tilefleet):
    old = "sys.version_info = (3, 10, 14, 'final', 0); sys.version = '3.10.14 (main)'"
    line = tilefleet("solve", SAMPLE, broken=old)
    assert "this is Python 3.10.14, and 3.11, 3.12 or 3.13 is needed" in line
    assert "python3.12 -m venv" in line
