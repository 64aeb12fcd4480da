"""``tilefleet models``: the store by its commands, without a fleet."""

import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from models import store
from models.store import archive
from models.store.manifest import NETWORKS, PRECISIONS
from producer.cli.main import main
from producer.cli.models.training import PRECISIONS as OFFERED
from tilefleet.errors import FleetUnreachable


@pytest.fixture
def root(monkeypatch, tmp_path):
    monkeypatch.setenv("TILEFLEET_STORE", str(tmp_path / "store"))
    return tmp_path / "store"


@pytest.fixture(autouse=True)
def readers(monkeypatch):
    """Which workers read with which model; an error in its place is raised."""
    told = {}

    def readers(settings):
        if "error" in told:
            raise told["error"]
        return dict(told)

    monkeypatch.setattr("producer.monitoring.readers.readers", readers)
    return told


@pytest.fixture
def mine(root, tmp_path):
    """A model of one's own."""
    archive.write(store.find("builtin"), tmp_path / "builtin.zip")
    return archive.read(tmp_path / "builtin.zip", name="mine", root=root)


@pytest.fixture
def run(root):
    return lambda *arguments: CliRunner().invoke(
        main, ["models", *(str(each) for each in arguments)]
    )


def lines(result) -> list[dict]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_the_list_says_which_workers_use_which_model(run, mine, readers):
    readers |= {mine.identity: ["first@here", "second@there"], "gone@12345678": ["third@there"]}
    result = run("list")
    assert result.exit_code == 0
    shown = result.stdout[result.stdout.index("mine@") :]
    assert "2 workers (first@here, second@there) read with it" in shown
    assert "1 worker (third@there) reads with gone@12345678, which is not in this" in result.stderr
    by_name = {row["model"]: row["workers"] for row in lines(run("list", "--json"))}
    assert by_name[mine.identity] == ["first@here", "second@there"]
    assert by_name[store.find("builtin").identity] == []


def test_a_list_without_a_fleet_says_so_and_is_a_list(run, readers):
    readers["error"] = FleetUnreachable("redis://nowhere: refused")
    result = run("list")
    assert result.exit_code == 0
    assert "builtin@" in result.stdout
    assert "which workers use them is not known: redis://nowhere: refused" in result.stderr
    assert {row["workers"] for row in lines(run("list", "--json"))} == {None}


def test_all_that_is_known_of_a_model_is_shown(run, mine, readers):
    readers[mine.identity] = ["first@here"]
    result = run("show", "mine")
    assert result.exit_code == 0
    assert f"model: {mine.identity}" in result.stdout
    assert "workers: first@here" in result.stdout
    told = json.loads(run("show", "mine", "--json").stdout)
    assert told["files"]["tiles.keras"]["whole"] is True
    assert told["training"] == mine.manifest.training
    assert told["evaluation"] == mine.manifest.evaluation


def test_a_model_whose_files_were_changed_is_shown_with_what_is_wrong(run, mine):
    (mine.folder / "tiles.keras").write_bytes(b"zeros")
    (mine.folder / "words.keras").unlink()
    result = run("show", "mine", "--json")
    assert result.exit_code == 1
    files = json.loads(result.stdout)["files"]
    assert "its manifest says" in files["tiles.keras"]["why"]
    assert "No such file" in files["words.keras"]["why"]
    assert files["tiles.tflite"]["whole"] is True


def test_a_model_goes_to_a_file_and_comes_from_it(run, mine, tmp_path):
    file = tmp_path / "mine.zip"
    assert run("export", "mine", file).exit_code == 0
    again = run("export", "mine", file)
    assert again.exit_code == 1
    assert "mine.zip exists" in again.stderr
    assert run("export", "mine", file, "--replace").exit_code == 0
    assert "mine exists" in run("import", file).stderr
    result = run("import", file, "--name", "yours")
    assert result.exit_code == 0
    assert f"stored {mine.identity.replace('mine', 'yours')}" in result.stdout
    nowhere = run("export", "mine", tmp_path / "nowhere" / "mine.zip")
    assert (nowhere.exit_code, nowhere.exception.__class__) == (1, SystemExit)
    assert "No such file" in nowhere.stderr
    missing = run("import", tmp_path / "missing.zip")
    assert (missing.exit_code, missing.exception.__class__) == (1, SystemExit)
    assert "No such file" in missing.stderr


def test_every_precision_can_be_converted_to():
    assert tuple(PRECISIONS) == OFFERED


def test_what_makes_networks_says_which_extra_brings_all_that_it_needs(run, monkeypatch):
    monkeypatch.setattr("models.runtimes.installed._installed", lambda module: False)
    result = run("convert", "builtin", "--precision", "int8", "--name", "yours")
    assert result.exit_code == 1
    assert "making networks needs keras: pip install 'tilefleet[train]'" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give FILE, or --words, --tiles, or both"),
        (("a.zip", "--words", "b.h5"), "not both"),
        (("--words", "b.h5"), "want --name"),
    ],
)
def test_import_takes_an_archive_or_networks(run, arguments, message):
    result = run("import", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_models_are_renamed_and_removed(run, root, mine):
    assert run("rename", "mine", "yours").exit_code == 0
    assert [each.name for each in root.iterdir()] == ["yours"]
    result = run("remove", "yours", "mine")
    assert result.exit_code == 1
    assert "no model called 'mine'" in result.stderr
    assert list(root.iterdir()) == []


@pytest.mark.parametrize("command", [("rename", "mine", "yours"), ("remove", "mine")])
def test_what_workers_use_is_changed_only_if_one_insists(run, root, mine, readers, command):
    readers[f"mine@{'0' * 8}"] = ["first@here"]
    result = run(*command)
    assert result.exit_code == 1
    assert "first@here reads with 'mine'" in result.stderr
    assert store.names(root) == ["builtin", "mine"]
    assert run(*command, "--force").exit_code == 0
    assert "mine" not in store.names(root)


def test_a_setting_that_names_no_model_any_more_is_named(run, mine, monkeypatch):
    monkeypatch.setenv("TILEFLEET_MODEL", "mine")
    assert "TILEFLEET_MODEL=mine names no model 'mine' now" in run("remove", "mine").stderr


def test_two_models_are_compared(run, root, mine):
    assert "differ in nothing but their names" in run("diff", "mine", "builtin").stdout
    files = {network: mine.read(f"{network}.int8.tflite") for network in NETWORKS}
    store.put_litert(mine, files, "int8", name="quick", root=root)
    shown = run("diff", "builtin", "quick").stdout.splitlines()
    assert shown[0] == f"- {store.find('builtin').identity}"
    at = shown.index("precision")
    assert shown[at + 1 : at + 3] == ["  - float32", "  + int8"]
    rows = {tuple(row["value"]): row for row in lines(run("diff", "builtin", "quick", "--json"))}
    assert rows["precision",]["builtin"] == "float32"


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("tilefleet models show ", {"builtin", "mine"}),
        ("tilefleet models show m", {"mine"}),
        ("tilefleet models diff mine b", {"builtin"}),
        ("tilefleet models remove mine ", {"builtin"}),
        ("tilefleet models use b", {"builtin"}),
        ("tilefleet models train --teacher m", {"mine"}),
        ("tilefleet solve --local --model m", {"mine"}),
        ("tilefleet models rena", {"rename"}),
    ],
)
def test_the_shell_completes_names_of_models(mine, words, completed):
    given = words.split()
    asked = subprocess.run(
        [sys.executable, "-c", "from producer.cli.main import main; main(prog_name='tilefleet')"],
        env={
            **os.environ,
            "_TILEFLEET_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(given) if words.endswith(" ") else len(given) - 1),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert {line.removeprefix("plain,") for line in asked.stdout.split()} == completed
