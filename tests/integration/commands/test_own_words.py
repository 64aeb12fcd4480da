"""Drawn grids of digits, from a folder to the answers of a running fleet, by the commands of the
README; and the built-in vocabulary, enlarged by words of 2016 (docs/own-words.md)."""

import csv
import os
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from models.datasets.truth import truths
from models.engines.reader import Reader
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tests.conftest import REPOSITORY, SAMPLES
from tilefleet.kind import BUILTIN
from tilefleet.settings import Settings

COMMAND = [sys.executable, "-m", "producer.cli"]
#: Draw, train, serve.
(BLOCK,) = re.findall(
    r"```sh\n(python examples/digits.py .*?)```", (REPOSITORY / "README.md").read_text(), re.DOTALL
)


def run(*command, environ, cwd) -> str:
    done = subprocess.run(
        [*map(str, command)],
        env={
            **os.environ,
            "PYTHONPATH": str(REPOSITORY),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            **environ,
        },
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.training
def test_digits_are_drawn_learned_and_read_by_a_fleet(tmp_path):
    pytest.importorskip("sklearn", reason="needs the extra tilefleet[digits]")
    store = {"TILEFLEET_STORE": str(tmp_path / "store")}
    folder = tmp_path / "digits"
    (tmp_path / "examples").symlink_to(REPOSITORY / "examples")
    draw, train, serve = (shlex.split(line, comments=True) for line in BLOCK.splitlines())
    run(*draw, environ={}, cwd=tmp_path)
    looked = run(*COMMAND, "models", "new", "digits", environ=store, cwd=tmp_path)
    assert "layout: 3×4 tiles of 40×40" in looked
    assert "words: 10 (zero, one, two" in looked
    assert (folder / "layout.png").is_file()
    assert "tiles: 1,348 pictures" in run(*train, environ=store, cwd=tmp_path)
    assert serve[1:] == ["tilefleet", "up"]
    with EmbeddedServer() as server:
        fleet = {**store, "CELERY_BROKER_URL": server.url}
        fleet |= dict([serve[0].split("=")])
        with WorkerProcess(server.url, environ=fleet):
            solve = (*COMMAND, "solve", "--csv")
            named = (*solve, "--model", "digits", "digits/captchas")
            read = run(*named, environ=fleet, cwd=tmp_path)
            other = run(*solve, SAMPLES / "002.jpg", environ=fleet, cwd=tmp_path)
    assert "电线|沙拉" in other
    answers = {row["file"]: row for row in csv.DictReader(read.splitlines())}
    with (folder / "captchas" / "answers.csv").open(newline="") as file:
        wanted = {f"digits/captchas/{row['file']}": row for row in csv.DictReader(file)}
    assert answers.keys() == wanted.keys()
    right = [answers[name]["picks"] == row["picks"] for name, row in wanted.items()]
    # 196 of 200 where docs/own-words.md was written.
    assert sum(right) >= 0.95 * len(right)


@pytest.mark.training
def test_a_larger_vocabulary_goes_on_from_the_built_in_one(data_folder, tmp_path, monkeypatch):
    from benchmarks import own_words
    from models.training import pair, words

    # Fewer headers to choose the epoch and the temperature on: drawing thousands takes longer.
    monkeypatch.setattr(pair, "_CALIBRATED_ON", 200)
    monkeypatch.setattr(words, "Recipe", partial(words.Recipe, held_out=200))
    data = own_words.prepare(data_folder, tmp_path / "data")
    root = tmp_path / "store"
    own_words.train(data, tmp_path / "state", root, headers=500, epochs=1, steps=2)
    settings = replace(Settings.from_environ(), models=(own_words.NAME,), store=root)
    kind = Reader(settings).engine.kind
    assert kind.labels[: len(BUILTIN.labels)] == BUILTIN.labels
    asked = {word for truth in truths(data / "captchas", kind) for word in truth.words}
    assert len(asked - set(BUILTIN.labels)) == 72
    assert len(kind.labels) == len(BUILTIN.labels) + 72
    # What the built-in network knew is not lost: it is where this one begins.
    assert own_words.read(data, own_words.NAME, root)[2] == "45 of 45"
    assert "pictures labelled surely" in own_words.bootstrap(data, tmp_path / "labels", root)
