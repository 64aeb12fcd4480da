"""The command line without a queue: what it prints, and how it fails."""

import json
import sys

import click
import pytest
from click.testing import CliRunner

from models.datasets.truth import truths
from producer.cli.main import main
from tests.conftest import SAMPLES
from tests.support.commands import commands
from tilefleet import Answer, FleetUnreachable, NotAnImage
from tilefleet.testing import AnswerFactory


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.setenv("TILEFLEET_STORE", str(tmp_path / "store"))
    return lambda *arguments: CliRunner().invoke(main, [str(each) for each in arguments])


def test_local_answers_are_words_tiles_picks_and_points(run):
    truth = truths(SAMPLES)[0]
    result = run("solve", "--local", truth.path)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == " ".join(truth.words)
    assert [line.rsplit(" ", 1)[0] for line in lines[1:9]] == [
        f"{row} {column}" for row in (1, 2) for column in (1, 2, 3, 4)
    ]
    assert lines[9] == "picks " + " ".join(map(str, truth.picks))
    assert lines[10].startswith("points ")


def test_json_is_one_object_a_line_and_a_bad_file_only_an_exit_code(run, tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"<html>")
    known = truths(SAMPLES)[:3]
    result = run("solve", "--local", "--json", bad, *(truth.path for truth in known), "nowhere.jpg")
    assert result.exit_code == 1
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [answer["file"] for answer in answers] == [str(truth.path) for truth in known]
    assert [tuple(answer["picks"]) for answer in answers] == [truth.picks for truth in known]
    assert f"{bad}: NotAnImage: 6 bytes" in result.stderr
    assert "nowhere.jpg: No such file" in result.stderr


def test_a_fleet_s_answers_and_errors_are_told_as_they_come(run, monkeypatch, tmp_path, fake_fleet):
    monkeypatch.setattr("producer.client.Client", lambda: fake_fleet)
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (tmp_path / name).write_text(name)
    answer = AnswerFactory().build(["电线", "沙拉"], [5, 7])
    fake_fleet.when(lambda _: True, answer)
    fake_fleet.when(b"b.jpg", NotAnImage("5 bytes: text"))
    result = run("solve", "--json", tmp_path)
    assert result.exit_code == 1
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line.pop("file").rpartition("/")[2] for line in lines] == ["a.jpg", "c.jpg"]
    assert [Answer.decode(line) for line in lines] == [answer] * 2
    assert "b.jpg: NotAnImage: 5 bytes: text" in result.stderr
    assert "2 of 3 answered, 1 failed" in result.stderr
    fake_fleet.when(lambda _: True, FleetUnreachable("redis://queue: refused"))
    result = run("solve", tmp_path / "a.jpg")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("tilefleet: redis://queue: refused; ")
    assert len(result.stderr.splitlines()) == 1


def test_an_unknown_model_is_one_line(run):
    result = run("solve", "--local", "--model", "nothing", min(SAMPLES.glob("*.jpg")))
    assert result.exit_code == 1
    assert result.stderr.startswith("tilefleet: no model called 'nothing'")
    assert len(result.stderr.splitlines()) == 1


def test_what_a_client_lacks_is_one_line_with_what_to_install(run, monkeypatch):
    for name in list(sys.modules):
        if name.startswith(("models.engines.reader", "models.engines")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "numpy", None)
    result = run("solve", "--local", "any.jpg")
    assert result.exit_code == 1
    assert result.stderr == (
        "tilefleet: this needs numpy, which a client does not: pip install 'tilefleet[worker]'\n"
    )


def test_settings_are_printed_with_their_values(run, monkeypatch):
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://:secret@host/0")
    monkeypatch.setenv("TILEFLEET_MODLE", "x")
    result = run("--settings")
    assert result.exit_code == 0
    assert "redis://:***@host/0" in result.stdout
    assert "secret" not in result.stdout
    assert "did you mean TILEFLEET_MODEL?" in result.stderr


def test_a_wrong_setting_is_one_line(run, monkeypatch):
    monkeypatch.setenv("TILEFLEET_ENGINE", "gpu")
    for arguments in (["--settings"], ["solve", "--local", "any.jpg"]):
        result = run(*arguments)
        assert result.exit_code == 1
        assert result.stderr.startswith("tilefleet: TILEFLEET_ENGINE='gpu'")


def test_models_are_listed_with_where_they_come_from_and_their_figures(run):
    result = run("models", "list")
    assert result.exit_code == 0
    model, words, tiles, *figures = result.stdout.splitlines()
    assert model.startswith("* builtin@")
    assert all("parameters, from random initialisation" in line for line in (words, tiles))
    assert any("exact 4" in line and "calibration error" in line for line in figures)
    row = json.loads(run("models", "list", "--json").stdout.splitlines()[0])
    assert row["parameters"]["tiles"] > 0


def test_a_model_is_evaluated_on_captchas_with_answers(run):
    result = run("models", "evaluate", "--captchas", SAMPLES, "--json")
    assert result.exit_code == 0
    score = json.loads(result.stdout)
    assert score["exact"] == score["captchas"] == len(truths(SAMPLES))


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["models", "evaluate"], "give --captchas FOLDER, --data FOLDER or --headers COUNT"),
        (["models", "evaluate", "--captchas", SAMPLES, "--unseen"], "--unseen and --teacher need"),
        (["models", "evaluate", "--headers", 1, "--report", "out"], "--report needs --captchas"),
        (["models", "evaluate", "--captchas", SAMPLES, "--fonts", "."], "--fonts needs --headers"),
        (["samples", "--out", "out", "--header-errors", 0.1], "--header-errors goes with"),
        (["keys", "add", "k", "--file", "k.json", "--burst", 1], "--burst goes with --rate"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(run, tmp_path, monkeypatch, arguments, why):
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == 2
    assert why in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_samples_are_drawn(run, tmp_path):
    result = run("samples", "--out", tmp_path / "out", "--count", 2)
    assert result.exit_code == 0
    assert len(truths(tmp_path / "out")) == 2


def test_a_collection_is_drawn_quietly_in_a_pipe(run, tmp_path):
    options = ("--count", 3, "--repeats", 2)
    result = run("samples", "--out", tmp_path / "out", *options)
    assert result.exit_code == 0
    assert result.stderr == ""
    assert len(list((tmp_path / "out").glob("*.jpg"))) == 3


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_command_has_help_and_says_what_it_does(run, command):
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: main {' '.join(command)}".rstrip())
    assert commands()[command].help


@pytest.mark.parametrize(
    "group", [path for path, each in commands().items() if isinstance(each, click.Group)]
)
def test_what_a_command_does_is_told_whole_in_the_list_of_commands(run, group):
    _, _, listed = run(*group, "--help").stdout.partition("Commands:\n")
    assert listed
    assert [line for line in listed.splitlines() if line.endswith("...")] == []


RANGES = [
    pytest.param(path, option.opts[0], id=" ".join((*path, option.opts[0])))
    for path, command in sorted(commands().items())
    for option in command.params
    if isinstance(option.type, click.FloatRange)
]


@pytest.mark.parametrize(("path", "option"), RANGES)
def test_what_is_no_number_is_none_for_any_option(run, path, option):
    result = run(*path, option, "nan")
    assert result.exit_code == 2
    assert f"invalid value for '{option}': 'nan' is no number" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    result = run(*path, option, "inf")
    assert result.exit_code == 2
    assert f"invalid value for '{option}': inf is not in the range" in result.stderr
