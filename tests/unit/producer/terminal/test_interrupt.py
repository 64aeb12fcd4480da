"""Ctrl-C ends at once what computes inside a library, and its children."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.running.fleet import interruptible

SCRIPT = """
import hashlib, multiprocessing, time
from producer.terminal.interrupt import ends_at_once

if __name__ == "__main__":
    with ends_at_once(lambda: "stopped: go on"):
        child = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(600,))
        child.start()
        print(child.pid, flush=True)
        # The interpreter has no say until this is done, in some minutes.
        hashlib.pbkdf2_hmac("sha256", b"", b"", 1_000_000_000)
"""


def test_a_library_that_computes_is_not_waited_for(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    command = interruptible([sys.executable, str(path)])
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env={"PYTHONPATH": sys.path[0]}, **pipes) as process:
        child = int(process.stdout.readline())
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert told.strip() == "stopped: go on"
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and _lives(child):
        time.sleep(0.05)
    assert not _lives(child)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def interruptible_here():
    """Whoever started this may have it ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_afterwards_ctrl_c_is_what_it_was(interruptible_here):
    from producer.terminal.interrupt import ends_at_once

    before = signal.getsignal(signal.SIGINT)
    with ends_at_once(lambda: ""):
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
