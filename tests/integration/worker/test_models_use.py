"""Another model for running workers: nothing fails, answers say who made them, memory is freed."""

import json
import os
import subprocess
import sys
from itertools import count, takewhile
from pathlib import Path
from threading import Event, Thread

import pytest

from producer import Client
from producer.local.worker import WorkerProcess
from producer.monitoring.remote import Remote
from tests.support.data.stored import copy_of_builtin
from tests.support.running.fleet import NULL, wait_until
from tilefleet.settings import Settings

OWN_SERVER = True

NODE = "first@here"


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("store")
    copy_of_builtin(root, "second")
    (copy_of_builtin(root, "damaged") / "tiles.tflite").write_bytes(b"zeros")
    return root


@pytest.fixture(scope="module")
def environ(models) -> dict[str, str]:
    return {"TILEFLEET_STORE": str(models), "TILEFLEET_CACHE_S": "60"}


@pytest.fixture(scope="module")
def worker(server, environ):
    with WorkerProcess(server.url, "-n", NODE, environ=environ) as worker:
        yield worker


@pytest.fixture
def fleet(server, worker):
    with Client(server.url) as client:
        yield client


def use(server, name: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "producer.cli", "models", "use", name, *options],
        env={"PATH": "/usr/bin:/bin", "CELERY_BROKER_URL": server.url, "PYTHONPATH": sys.path[0]},
        capture_output=True,
        text=True,
        timeout=60,
    )


def remote(server) -> Remote:
    return Remote(Settings(broker_url=server.url))


def switched(server, name: str) -> None:
    done = use(server, name)
    assert done.returncode == 0, done.stderr


def resident_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))


def test_the_model_changes_and_the_command_says_from_what_to_what(server, fleet, sample):
    switched(server, "builtin")
    done = use(server, "second", "--json")
    (line,) = map(json.loads, done.stdout.splitlines())
    assert line["worker"] == NODE
    assert line["state"] == "done"
    assert line["before"].startswith("builtin@")
    assert line["model"].startswith("second@")
    assert fleet.solve(sample, timeout=20).model == line["model"]
    again = use(server, "second")
    assert again.stdout == f"{NODE}  reads with {line['model']} already\n"


def test_no_captcha_fails_while_the_model_changes_under_load(server, worker, fleet, sample):
    switched(server, "builtin")
    stopping = Event()
    outcomes = []

    def load() -> None:
        # A few bytes behind the end marker: each has to be read for itself; every third comes
        # twice, and one of the two joins the other or gets its kept answer.
        images = (
            sample + (number - number % 3 // 2).to_bytes(4, "big")
            for number in takewhile(lambda _: not stopping.is_set(), count())
        )
        with Client(server.url) as sender:
            outcomes.extend(outcome for _, outcome in sender.outcomes(images, window=24))

    sender = Thread(target=load)
    sender.start()
    try:
        for name in ("second", "builtin") * 3:
            switched(server, name)
    finally:
        stopping.set()
        sender.join()
    assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert {outcome.model.partition("@")[0] for outcome in outcomes} == {"builtin", "second"}
    stats = remote(server).ask("stats", [NODE])[NODE]["engine_room"]
    assert stats["joined"] + stats["kept_answers_used"] > 0


def test_an_answer_that_is_kept_is_one_of_the_model_that_reads(server, fleet, sample):
    image = sample + b"kept"
    switched(server, "builtin")
    first = fleet.solve(image, timeout=20)
    assert fleet.solve(image, timeout=20).timing.pass_size == 0
    switched(server, "second")
    after = fleet.solve(image, timeout=20)
    assert (first.model[:8], after.model[:7]) == ("builtin@", "second@")
    assert after.timing.pass_size == 1
    assert fleet.solve(image, timeout=20).model == after.model


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nothing", "ModelNotFound: no model called 'nothing'"),
        ("damaged", "HashMismatch"),
        ("../store/second", "ModelNotFound"),
    ],
)
def test_a_model_that_cannot_be_loaded_changes_nothing(server, fleet, sample, name, why):
    switched(server, "second")
    done = use(server, name)
    assert done.returncode == 1
    assert done.stderr.startswith(f"{NODE}  nothing changed: {why}")
    assert len(done.stderr.splitlines()) == 1
    assert fleet.solve(sample + name.encode(), timeout=20).model.startswith("second@")


def test_memory_of_old_models_is_freed(server, worker, fleet, sample):
    def switch(times: int) -> int:
        for number in range(times):
            name = ("builtin", "second")[number % 2]
            remote(server).ask("use_model", [NODE], name=name)
            while remote(server).ask("model", [NODE])[NODE]["state"] != "done":
                pass
            assert fleet.solve(sample + bytes([number]), timeout=20).model.startswith(name)
        return resident_kb(worker.process.pid)

    before = switch(6)
    # Ten pairs of networks and their lanes are some 100 MB.
    assert switch(10) - before < 20_000


def test_the_store_knows_who_uses_what_and_keeps_it(server, worker, environ):
    def models(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "producer.cli", "models", *arguments],
            env={**os.environ, **environ, "CELERY_BROKER_URL": server.url},
            capture_output=True,
            text=True,
            timeout=60,
        )

    switched(server, "second")
    # A worker tells it once a second.
    wait_until(lambda: f"1 worker ({NODE}) reads with it" in models("list").stdout)
    rows = {
        row["model"]: row
        for row in map(json.loads, models("list", "--json").stdout.split("\n")[:-1])
    }
    assert {name[:6]: row["workers"] for name, row in rows.items() if row["workers"]} == {
        "second": [NODE]
    }
    refused = models("remove", "second")
    assert refused.returncode == 1
    assert f"{NODE} reads with 'second'" in refused.stderr
    assert (Path(environ["TILEFLEET_STORE"]) / "second").is_dir()


def test_celery_s_own_commands_know_these(server, worker):
    def celery(*arguments: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "celery", "-A", "worker", *arguments, "--json"],
            env={**os.environ, "CELERY_BROKER_URL": server.url},
            capture_output=True,
            text=True,
            timeout=60,
        ).stdout

    assert (
        json.loads(celery("control", "use_model", "builtin"))[0][NODE]["ok"]["wanted"] == "builtin"
    )
    wait_until(lambda: json.loads(celery("inspect", "model"))[NODE]["state"] == "done")


def test_only_the_workers_that_are_named_change(server, worker, environ):
    second = WorkerProcess(server.url, "-n", "second@here", environ=environ)
    null = WorkerProcess(server.url, "-n", "null@here", environ=NULL)
    with second, null:
        switched_only = use(server, "second", "--worker", "second@here")
        assert switched_only.returncode == 0
        assert switched_only.stdout.startswith("second@here  builtin@")
        everybody = use(server, "builtin")
        assert everybody.returncode == 1
        assert everybody.stderr == (
            "null@here  nothing changed: EngineUnavailable: the null engine reads without a model\n"
        )
        assert len(everybody.stdout.splitlines()) == 2
        nobody = use(server, "builtin", "--worker", "third@here")
        assert nobody.returncode == 1
        assert "no worker called third@here; there are: first@here, null@here" in nobody.stderr
