"""Several models in one fleet: each captcha is read by the one that it names, and by no other."""

import json
import os
import subprocess
import sys
from pathlib import Path
from time import sleep

import pytest
from redis import Redis

from producer import Client
from producer.client import message
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from producer.monitoring.remote import Remote
from tests.support.data.stored import copy_of_builtin
from tests.support.running.fleet import NULL, another_app, wait_until
from tilefleet import AnswerTimeout, UnknownModel, wire
from tilefleet.settings import Settings


def other_kind(root: Path, name: str) -> None:
    """The built-in's networks for another kind of captcha: the same layout, other words."""
    manifest = copy_of_builtin(root, name) / "manifest.json"
    told = json.loads(manifest.read_text())
    kind = told["kind"]
    kind["labels"] = [f"{name}-{label}" for label in kind["labels"]]
    manifest.write_text(json.dumps(told))


@pytest.fixture(scope="module")
def environ(tmp_path_factory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("store")
    for name in ("mine", "spare"):
        other_kind(root, name)
    return {"TILEFLEET_STORE": str(root)}


@pytest.fixture
def server():
    with EmbeddedServer() as server:
        yield server


def holding(server, *models: str, name: str = "first@here", **environ: str) -> WorkerProcess:
    held = {"TILEFLEET_MODEL": ",".join(models), **environ}
    return WorkerProcess(server.url, "-n", name, environ=held)


def command(server, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "producer.cli", *arguments],
        env={**os.environ, "CELERY_BROKER_URL": server.url, **environ},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_commands_that_send_have_the_model_read_that_is_named(server):
    with holding(server, "builtin", "mine", **NULL):
        solved = command(server, "solve", "--json", "--model", "mine", "samples/002.jpg")
        assert json.loads(solved.stdout)["model"] == "mine@null"
        load = ("bench", "--seconds", "0.3", "--clients", "2", "--model")
        assert list(json.loads(command(server, *load, "mine", "--json").stdout)["models"]) == [
            "mine@null"
        ]
        (line,) = command(server, *load, "main").stderr.splitlines()
        assert "no worker holds the model 'main'; they hold: builtin, mine" in line
        assert line.endswith("did you mean mine?")


def test_two_models_in_one_worker_under_mixed_load_answer_each_its_own(server, environ, sample):
    with holding(server, "builtin", "mine", **environ), Client(server.url) as fleet:
        images = [sample + bytes([number]) for number in range(40)]
        names = [("builtin", "mine", None)[number % 3] for number in range(40)]
        pending = [
            fleet.submit(image, model=model, bulk=number % 5 == 0)
            for number, (image, model) in enumerate(zip(images, names, strict=True))
        ]
        answers = [each.result(30) for each in pending]
        bulk = dict(fleet.map(images, model="mine", bulk=True))
        stats = Remote(Settings(broker_url=server.url)).ask("stats", ["first@here"])
    for model, answer in zip(names, answers, strict=True):
        assert answer.model.startswith(f"{model or 'builtin'}@")
        # Words are those of its own kind, and so is what is decided.
        assert answer.words[0].label.startswith("mine-") == (model == "mine")
        assert answer.picks == answers[0].picks
    assert len(bulk) == 40
    assert {answer.model.partition("@")[0] for answer in bulk.values()} == {"mine"}
    told = stats["first@here"]["engine_room"]["models"]
    assert list(told) == ["builtin", "mine"]
    assert told["builtin"]["captchas"] == 27
    assert told["mine"]["captchas"] == 53


@pytest.mark.parametrize("transport", ["batch", "stock"])
def test_two_workers_with_different_models_never_get_each_others(server, transport):
    null = {**NULL, "TILEFLEET_TRANSPORT": transport}
    with (
        holding(server, "builtin", "spare", name="first@here", **null),
        holding(server, "mine", "third", name="second@here", **null),
        Client(server.url) as fleet,
    ):
        for bulk in (False, True):
            for model in ("builtin", "mine", "spare", "third"):
                images = (b"%d" % number for number in range(60))
                answers = [answer for _, answer in fleet.map(images, model=model, bulk=bulk)]
                assert {answer.model for answer in answers} == {f"{model}@null"}
                assert len(answers) == 60
        unnamed = {answer.model for _, answer in fleet.map(map(str.encode, map(str, range(60))))}
        assert unnamed <= {"builtin@null", "mine@null"}


@pytest.mark.parametrize("transport", ["batch", "stock"])
def test_a_flood_for_one_model_does_not_hold_up_another(server, transport):
    null = {**NULL, "TILEFLEET_TRANSPORT": transport, "TILEFLEET_MAX_BATCH": "1"}
    # Long enough that what passes of 25 ms answer together is a small part of it.
    count = 4000
    with Client(server.url) as fleet:
        flood = [fleet.submit(b"%d" % number) for number in range(count)]
        few = [fleet.submit(b"few %d" % number, model="mine") for number in range(10)]
        with holding(server, "builtin", "mine", **null):
            for each in few:
                each.result(30)
            answered = sum(each.ready() for each in flood)
            assert answered < count / 2
            for each in flood:
                each.result(60)


def test_a_pool_of_processes_holds_several_too(server, environ, sample):
    held = {"TILEFLEET_MODEL": "builtin,mine", **environ}
    with (
        WorkerProcess(server.url, "-P", "prefork", "-c", "1", environ=held),
        Client(server.url) as fleet,
    ):
        for model in ("mine", "builtin", None):
            answer = fleet.solve(sample, timeout=30, model=model)
            assert answer.model.startswith(f"{model or 'builtin'}@")
        with pytest.raises(UnknownModel, match="builtin, mine"):
            fleet.solve(sample, model="spare")


def test_what_says_that_it_is_for_a_model_of_no_lane_here_fails_and_is_not_passed_on_for_ever(
    server,
):
    with holding(server, "builtin", **NULL), Redis.from_url(server.url) as redis:
        strayed = message.solve(b"any", lane="captcha@mine", now=2e9, expires=60)
        redis.lpush("captcha", strayed.item)
        stored = wait_until(lambda: redis.get(f"celery-task-meta-{strayed.id}"))
        assert json.loads(stored)["result"]["exc_type"] == "UnknownModel"
        wait_until(lambda: not redis.hlen("unacked"))
        assert not redis.keys("captcha*")


def test_a_model_that_no_worker_holds_is_an_error_at_once(server):
    with Client(server.url) as fleet:
        # Nobody knows, without a worker: it waits for the next one.
        with pytest.raises(AnswerTimeout):
            fleet.solve(b"any", timeout=0.5, model="mine")
        with holding(server, "builtin", **NULL):
            with pytest.raises(UnknownModel, match=r"'mine'; they hold: builtin$") as told:
                fleet.solve(b"any", timeout=30, model="mine")
            assert told.value.held == ("builtin",)
            ((_, outcome),) = fleet.outcomes([b"any"], bulk=True, model="bultin")
            assert "did you mean builtin?" in str(outcome)
            done = command(server, "solve", "samples", "--model", "mine")
            assert done.returncode == 1
            assert done.stderr == f"tilefleet: {told.value}\n"
            assert command(server, "solve", "samples", "--model", "builtin").returncode == 0
            assert fleet.solve(b"any", model="builtin").model == "null"
        with Redis.from_url(server.url) as redis:
            # What was sent while nobody knew is there still; nothing that was refused is.
            assert redis.llen("captcha@mine") == 1
            assert not redis.exists("captcha@bultin", "captcha.bulk@bultin")


def test_another_celery_application_names_a_model_by_its_lane(server):
    with (
        holding(server, "builtin", "mine", **NULL),
        another_app(server.url) as app,
    ):
        for lane, model in (("captcha", "builtin"), ("captcha@mine", "mine")):
            sent = app.send_task(wire.TASK_SOLVE, (b"any",), queue=lane)
            assert sent.get(timeout=20)["model"] == f"{model}@null"


def test_what_a_lost_worker_had_goes_to_one_that_holds_its_model(server):
    lease = {"TILEFLEET_LEASE_S": "1", **NULL}
    again = message.solve(b"again", lane="captcha@mine", now=2e9, expires=60)
    record = json.dumps([json.loads(again.item), "", "captcha@mine"])
    with Redis.from_url(server.url) as redis:
        with holding(server, "builtin", name="other@here", **lease):
            redis.hset("unacked", "of one that is gone", record)
            redis.zadd("unacked_index", {"of one that is gone": 1.0})
            # It has looked, more than once, and left it where it was.
            sleep(3)
            assert redis.hlen("unacked") == 1
            with holding(server, "mine", name="next@here", **lease):
                answer = wait_until(lambda: redis.get(f"celery-task-meta-{again.id}"))
        assert json.loads(answer)["result"]["model"] == "null"
        assert redis.hlen("unacked") == 0


def test_the_default_changes_and_what_is_held_by_name_goes_on(server, environ, sample):
    with holding(server, "builtin", "mine", **environ) as worker, Client(server.url) as fleet:
        held = command(server, "models", "use", "mine", **environ)
        assert "builtin@" in held.stdout
        assert "→ mine@" in held.stdout
        assert fleet.solve(sample + b"1").model.startswith("mine@")
        assert fleet.solve(sample + b"1", model="builtin").model.startswith("builtin@")
        # Another one in the default's place: its lanes are read from then on, mine's are not.
        assert command(server, "models", "use", "spare", **environ).returncode == 0
        assert fleet.solve(sample + b"2").model.startswith("spare@")
        for model in ("spare", "builtin"):
            wait_until(lambda model=model: not _refused(fleet, model))
            assert fleet.solve(sample, model=model).model.startswith(f"{model}@")
        wait_until(lambda: _refused(fleet, "mine"))
        assert worker.process.poll() is None


def _refused(fleet: Client, model: str) -> str:
    ((_, outcome),) = fleet.outcomes([b"any"], timeout=5, model=model)
    return str(outcome) if isinstance(outcome, UnknownModel) else ""


def test_commands_show_each_model(server, environ):
    with holding(server, "builtin", "mine", **environ):
        listed = command(server, "models", "list", **environ).stdout
        assert listed.count("1 worker (first@here) reads with it") == 2
        top = json.loads(command(server, "top", "--once", "--json", **environ).stdout)
        assert [each.partition("@")[0] for each in top["workers"]["first@here"]["models"]] == [
            "builtin",
            "mine",
        ]
        assert set(wire.lanes(["builtin", "mine"])) == set(top["lanes"])
        assert set(top["models"]) == {"builtin", "mine"}
