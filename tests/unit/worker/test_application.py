"""Importing the application does nothing; its first use, in Celery's commands their start, does."""

import os
import subprocess
import sys

import pytest

WORKER = ["-m", "celery", "-A", "worker"]


def python(*arguments, cwd, **environ):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_importing_it_neither_ends_the_program_nor_reads_its_arguments_nor_changes_anything(
    tmp_path,
):
    script = """
import os, sys

class Unread(list):
    def __iter__(self):
        raise AssertionError("sys.argv was read")
    __getitem__ = __len__ = __contains__ = __iter__

from kombu.compression import get_decoder
from kombu.transport import TRANSPORT_ALIASES
aliases, decoder, environ = dict(TRANSPORT_ALIASES), get_decoder("zlib"), dict(os.environ)
sys.argv = Unread(["celery", "flower", "--pool=prefork"])
from worker import app
assert os.environ == environ
assert TRANSPORT_ALIASES == aliases and get_decoder("zlib") is decoder
assert not app.configured
print("imported")
try:
    app.conf.task_acks_late
except Exception as error:
    print(type(error).__name__, error)
"""
    done = python(
        *("-c", script),
        cwd=tmp_path,
        TILEFLEET_ENGINE="gpu",
        CELERY_BROKER_URL="rediss://queue.example/0",
    )
    imported, error = done.stdout.splitlines()
    assert imported == "imported"
    assert error.startswith("SettingError TILEFLEET_ENGINE='gpu' is not usable"), done.stderr


def test_a_program_gets_the_settings_at_the_first_use(tmp_path):
    script = (
        "from worker import app\n"
        "print(app.backend.connparams['ssl_cert_reqs'].name)\n"
        "print(app.conf.broker_url, app.conf.task_acks_late, app.conf.worker_pool)\n"
        "print(app.settings.lease_s, app.conf.broker_transport_options['visibility_timeout'])\n"
        "app.loader.import_default_modules(); print(*sorted(n for n in app.tasks if '.s' in n))"
    )
    environ = {
        "CELERY_BROKER_URL": "redis://queue.example/3",
        "CELERY_RESULT_BACKEND": "rediss://queue.example/3",
        "TILEFLEET_LEASE_S": "7",
    }
    done = python("-c", script, cwd=tmp_path, **environ)
    assert done.stdout.splitlines() == [
        "CERT_REQUIRED",
        "redis://queue.example/3 True threads",
        "7 7",
        "celery.starmap worker.solve worker.solve_many",
    ], done.stderr


@pytest.mark.parametrize("command", ["worker", "inspect", "flower"])
def test_a_wrong_setting_ends_a_command_with_one_line(command, tmp_path):
    rest = ["ping"] if command == "inspect" else []
    done = python(*WORKER, command, *rest, cwd=tmp_path, TILEFLEET_ENGINE="gpu")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("tilefleet: TILEFLEET_ENGINE='gpu' is not usable")
