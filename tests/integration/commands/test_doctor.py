"""``tilefleet doctor`` on fleets that are well, and on those that are not."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager

import pytest
from redis import Redis

from producer.doctor import fleet, here
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tests.support.running import accounts
from tests.support.running.fleet import NULL, wait_until
from tests.support.running.servers import stopped
from tilefleet import WrongSize, report
from tilefleet.report import Report
from tilefleet.testing import FakeFleet

OWN_SERVER = True

NAMES = [
    *("Python", "extras", "settings", "model", "server", "version", "rights", "eviction"),
    *("memory", "clock", "workers", "reads with", "answer", "gateway"),
]


@pytest.fixture(scope="module")
def worker(server):
    with WorkerProcess(server.url, environ=NULL) as worker:
        yield worker


def doctor(url, *arguments, **environ):
    """(exit code, name → check)."""
    done = subprocess.run(
        [sys.executable, "-m", "producer.cli", "doctor", "--json", *arguments],
        env={**os.environ, **NULL, "CELERY_BROKER_URL": url, **environ},
        capture_output=True,
        text=True,
        timeout=60,
    )
    checks = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["name"] for each in checks] == NAMES
    return done.returncode, {each["name"]: each for each in checks}


@contextmanager
def configured(server, **settings):
    with Redis.from_url(server.url) as redis:
        before = {name: redis.config_get(name)[name] for name in settings}
        for name, value in settings.items():
            redis.config_set(name, value)
        yield redis
        for name, value in before.items():
            redis.config_set(name, value)


def test_a_fleet_that_is_well_has_a_line_for_everything_and_exit_code_0(server, worker):
    code, found = doctor(server.url)
    assert code == 0
    assert {each["state"] for name, each in found.items() if name != "gateway"} == {"ok"}
    assert found["gateway"]["state"] in ("ok", "skip")
    assert "takes" not in found["answer"]["found"]
    assert "read by null" in found["answer"]["found"]
    assert found["workers"]["found"].startswith("1: tilefleet@")


def test_the_model_that_is_named_answers_and_one_that_nobody_holds_is_told(server, worker):
    code, found = doctor(server.url, "--model", "null")
    assert code == 1
    assert "no worker holds the model 'null'; they hold: builtin" in found["answer"]["found"]
    code, found = doctor(server.url, "--model", "builtin")
    assert code == 0
    assert "read by null" in found["answer"]["found"]


def test_without_a_server_it_says_how_to_start_one_and_looks_at_the_rest():
    code, found = doctor("", CELERY_BROKER_URL="redis://127.0.0.1:1/0")
    assert code == 1
    assert found["server"]["state"] == "fail"
    assert "CELERY_BROKER_URL" in found["server"]["hint"]
    assert all(found[name]["state"] == "skip" for name in ("version", "workers", "answer"))
    assert found["model"]["state"] == "ok"


def test_without_a_worker_it_says_how_to_start_one():
    with EmbeddedServer() as server, Redis.from_url(server.url) as redis:
        code, found = doctor(server.url)
        # What was tried was not done.
        assert redis.dbsize() == 0
    assert code == 1
    assert found["rights"]["state"] == "ok"
    assert found["workers"]["state"] == "fail"
    assert "start one: tilefleet worker" in found["workers"]["hint"]
    assert found["answer"]["state"] == "skip"


def test_a_worker_that_stands_still_is_named_with_since_when(server, worker):
    with stopped(worker.process.pid), Redis.from_url(server.url) as redis:
        (node,) = redis.hkeys(report.KEY)
        line = redis.hget(report.KEY, node)
        wait_until(lambda: report.decode(redis.time()[0], line) is None)
        code, found = doctor(server.url)
    assert code == 1
    assert f"none; silent: {node.decode()} for" in found["workers"]["found"]
    assert "start it again" in found["workers"]["hint"]


def test_a_policy_that_loses_captchas_and_a_full_memory_are_told(server, worker):
    settings = {"maxmemory-policy": "allkeys-lru", "maxmemory": "1mb"}
    with configured(server, **settings):
        code, found = doctor(server.url)
    assert code == 1
    assert found["eviction"]["state"] == "fail"
    assert "noeviction" in found["eviction"]["hint"]
    assert found["memory"]["state"] == "fail"


def test_an_account_with_too_few_rights_is_told_what_it_lacks(server, worker):
    with Redis.from_url(server.url) as redis:
        redis.acl_setuser("few", enabled=True, passwords=["+few"], keys=["*"], commands=["+ping"])
        redis.acl_setuser(
            "some",
            enabled=True,
            passwords=["+some"],
            keys=["*"],
            categories=["+@all"],
            commands=["-lpush", "-info"],
        )
        # Of a version that had no bodies beside messages.
        older = ["captcha*", "celery-task-meta-*", "tilefleet-fleet"]
        redis.acl_setuser(
            "older", enabled=True, passwords=["+older"], keys=older, categories=["+@all"]
        )
        url = accounts.of("", server.url)
        code, found = doctor(url.replace("//", "//some:some@"))
        assert code == 1
        assert found["rights"]["found"] == "account some may not LPUSH"
        assert found["memory"]["state"] == "skip"
        code, found = doctor(url.replace("//", "//older:older@"))
        assert found["rights"]["state"] == "warn"
        assert "account older may not store the images of lists" in found["rights"]["found"]
        code, found = doctor(url.replace("//", "//few:few@"))
        assert found["version"]["state"] == "ok"
        assert found["rights"]["state"] == "skip"
        code, found = doctor(url.replace("//", "//few:wrong@"))
        assert (code, found["server"]["state"]) == (1, "fail")
        assert "user:password@" in found["server"]["hint"]


def test_settings_come_first(server):
    code, found = doctor(server.url, TILEFLEET_MAX_BATCH="many")
    assert code == 1
    assert "TILEFLEET_MAX_BATCH='many'" in found["settings"]["found"]
    assert found["server"]["state"] == "skip"
    _, found = doctor(server.url, TILEFLEET_MAX_BACH="1")
    assert "did you mean TILEFLEET_MAX_BATCH?" in found["settings"]["found"]
    _, found = doctor(server.url, TILEFLEET_ENGINE="auto", TILEFLEET_MODEL="bultin")
    assert "did you mean builtin?" in found["model"]["found"]


def test_a_gateway_that_is_named_has_to_be_there(server):
    code, found = doctor(server.url, "--gateway", "http://127.0.0.1:1")
    assert (code, found["gateway"]["state"]) == (1, "fail")
    assert "tilefleet serve" in found["gateway"]["hint"]


def test_an_older_or_newer_python_is_told():
    assert here.python((3, 12, 1)).state == "ok"
    for other in ((3, 10, 9), (3, 14, 0)):
        assert here.python(other).state == "fail"
        assert "3.11 to 3.13" in here.python(other).hint


def test_the_settings_that_are_named_are_those_that_were_set(monkeypatch, tmp_path):
    for name in [each for each in os.environ if each.startswith(("TILEFLEET_", "CELERY_"))]:
        monkeypatch.delenv(name)
    assert here.settings()[0].found == "all as they come"
    (tmp_path / "url").write_text("redis://host.example:6379/0\n")
    monkeypatch.setenv("CELERY_BROKER_URL_FILE", str(tmp_path / "url"))
    monkeypatch.setenv("TILEFLEET_LEASE_S", "15")
    assert here.settings()[0].found == "set: CELERY_BROKER_URL, TILEFLEET_LEASE_S"


def test_workers_that_read_with_different_models_are_told():
    one, other = (Report(1.0, {"captcha": 1}, model) for model in ("a@1", "b@2"))
    assert fleet.models({"x": one, "y": other}).state == "warn"
    assert fleet.models({"x": one, "y": one}).state == "ok"


def test_a_model_for_captchas_of_another_kind_is_there_and_back_too(monkeypatch):
    fake = FakeFleet()
    fake.when(lambda _: True, WrongSize("293×190 pixels; 196×198 are wanted"))
    monkeypatch.setattr("producer.client.Client", lambda: fake)
    check = fleet.answer({"x": Report(1.0, {"captcha": 1})}, timeout_s=5, model="digits")
    assert check.state == "ok"
    assert "WrongSize: 293×190 pixels; 196×198 are wanted" in check.found
    assert fake.named == ["digits"]
