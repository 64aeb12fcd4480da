"""``tilefleet models train``: what it learns from, what it overwrites, how it stops and goes on."""

import os
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

from models import store
from producer.cli.main import main
from tests.support.data import learnable
from tests.support.running.fleet import interruptible, wait_until


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return learnable.write(tmp_path_factory.mktemp("data"))


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TILEFLEET_STORE", str(tmp_path / "store"))
    return lambda *arguments: CliRunner().invoke(
        main, ["models", "train", *(str(each) for each in arguments)]
    )


def test_a_model_has_to_be_named(run, data):
    result = run("--data", data)
    assert result.exit_code == 2
    assert "missing option '--name'" in result.stderr


def test_a_dry_run_shows_what_would_be_learned_from_and_does_nothing(run, data, tmp_path):
    result = run("--data", data, "--name", "mine", "--dry-run", "--seed", 7)
    assert result.exit_code == 0
    assert "tiles: 400 pictures" in result.stdout
    assert "labelled pictures of a class: 5 to 5" in result.stdout
    for network in ("words", "tiles"):
        assert f"{network}: would begin in build/training/mine/{network}" in result.stdout
    assert "  seed: 7" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_several_teachers_of_whom_the_first_has_no_maps_are_refused_before_anything(
    run, data, tmp_path
):
    result = run("--data", data, "--name", "mine", "--teacher", "builtin", "--teacher", "builtin")
    assert result.exit_code == 1
    assert "only by blocks do several teach" in result.stderr
    assert f"not {store.find('builtin').identity}" in result.stderr
    assert not (tmp_path / "build").exists()


def test_each_teacher_or_none_has_a_weight(run, data):
    asked = ("--data", data, "--name", "mine", "--teacher", "a", "--teacher", "b")
    result = run(*asked, "--weight", 1)
    assert result.exit_code == 2
    assert "--weight is given 1 times, --teacher 2" in result.stderr
    assert run(*asked, "--weight", 1, "--weight", 0).exit_code == 2


@pytest.mark.parametrize("only", [(), ("--only", "tiles")])
@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_a_model_is_overwritten_only_if_one_says_so(run, data, tmp_path, only, dry):
    (tmp_path / "store" / "mine").mkdir(parents=True)
    result = run("--data", data, "--name", "mine", *only, *dry)
    assert result.exit_code == 1
    assert "mine exists" in result.stderr
    assert not (tmp_path / "build").exists()


def test_a_state_of_other_data_is_not_gone_on_with(run, data, tmp_path):
    from models.training import claims
    from models.training.options import Options

    plan = claims.plan(data, Options(), fonts=[], teachers=())
    claims.claim(tmp_path / "build/training/mine/tiles", plan.belongs["tiles"])
    asked = ("--data", data, "--name", "mine", "--only", "tiles", "--dry-run")
    assert "tiles: would go on in" in run(*asked).stdout
    other = run(*asked, "--seed", 2)
    assert other.exit_code == 1
    assert "was begun with seed 1 and not 2: --fresh begins anew" in other.stderr
    assert "tiles: would begin in" in run(*asked, "--seed", 2, "--fresh").stdout


@pytest.mark.training
def test_ctrl_c_says_how_to_go_on_and_one_does(data, tmp_path):
    asked = [sys.executable, "-m", "producer.cli", "models", "train", "--data", str(data)]
    asked += ["--name", "mine", "--only", "tiles", "--steps", "1"]
    asked += ["--epochs", "400", "--directory", str(tmp_path / "state")]
    settings = {
        "cwd": sys.path[0],
        "env": {**os.environ, "TILEFLEET_STORE": str(tmp_path / "store")},
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
    }
    log = tmp_path / "state/tiles/log.csv"
    with subprocess.Popen(interruptible(asked), **settings) as process:
        wait_until(lambda: log.exists() and len(log.read_text().splitlines()) > 2, 300)
        process.send_signal(signal.SIGINT)
        told = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    last = told.strip().splitlines()[-1]
    assert last.startswith(f"stopped; finished epochs are kept in {tmp_path / 'state'}. To go on: ")
    assert last.endswith("--directory " + str(tmp_path / "state"))
    assert "Traceback" not in told
    assert store.names(tmp_path / "store") == ["builtin"]
    done = len(log.read_text().splitlines())
    with subprocess.Popen(interruptible(asked), **settings) as process:
        wait_until(lambda: len(log.read_text().splitlines()) > done, 300)
        process.send_signal(signal.SIGINT)
        told = process.communicate(timeout=30)[0]
    assert f"tiles: going on in {tmp_path / 'state' / 'tiles'}" in told
    epochs = [line.split(",")[0] for line in log.read_text().splitlines()[1:]]
    assert epochs == [str(number) for number in range(len(epochs))]
