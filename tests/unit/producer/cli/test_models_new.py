"""``tilefleet models new`` and ``models train`` on a folder of a kind of its own."""

import pytest
from click.testing import CliRunner

from models.datasets.kinds import kind_of
from producer.cli.main import main
from tests.support.data import own as folder
from tests.support.data.own import KIND


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TILEFLEET_STORE", str(tmp_path / "store"))
    return lambda *arguments: CliRunner().invoke(
        main, ["models", *(str(each) for each in arguments)]
    )


def test_a_folder_gets_its_layout_its_words_and_a_picture_once(run, tmp_path):
    data = folder.write(tmp_path / "mine", captchas=30, kind=False)
    first = run("new", "mine")
    assert first.exit_code == 0
    assert "30 captchas of 120×120" in first.stdout
    assert "layout: 2×3 tiles of 30×40" in first.stdout
    assert "written to mine/layout.toml" in first.stdout
    assert "look at mine/layout.png" in first.stdout
    assert "words: 4 (blue, green, grey, red); written to mine/words.txt" in first.stdout
    assert first.stdout.endswith("then: tilefleet models train --data mine --name NAME\n")
    made = (data / "layout.toml").read_text()
    assert kind_of(data).layout.count == 6
    (data / "words.txt").write_text("red\ngreen\nblue\ngrey\n")
    again = run("new", "mine")
    assert "read from mine/layout.toml" in again.stdout
    assert "words: 4 (red, green, blue, grey); read from mine/words.txt" in again.stdout
    assert (data / "layout.toml").read_text() == made


def test_words_that_nobody_knows_are_asked_for(run, tmp_path):
    data = folder.write(tmp_path / "mine", captchas=30, tiles=0, kind=False)
    (data / "answers.csv").unlink()
    assert "write the words that may be asked for into mine/words.txt" in run("new", "mine").stdout
    refused = run("train", "--data", "mine", "--name", "mine", "--dry-run")
    assert refused.exit_code == 1
    assert "words.txt has 0 words; 3 to 4096 can be" in refused.stderr


def test_a_folder_like_a_model_begins_with_that_ones_layout_and_words(run, tmp_path):
    folder.write(tmp_path / "mine", kind=False)
    refused = run("new", "mine", "--like", "builtin")
    assert refused.exit_code == 1
    assert "no picture is of 293×190, as its layout; they are 120×120" in refused.stderr
    assert not (tmp_path / "mine" / "layout.toml").exists()


def test_a_dry_run_shows_the_kind_and_what_would_be_learned_from(run, tmp_path):
    folder.write(tmp_path / "mine")
    asked = ("train", "--data", "mine", "--name", "mine", "--dry-run")
    shown = run(*asked, "--quick")
    assert shown.exit_code == 0, shown.stderr
    assert "tiles: 32 pictures" in shown.stdout
    assert "captchas in it: 12 pictures" in shown.stdout
    assert f"  kind: {KIND} (" in shown.stdout
    assert "  quick: yes" in shown.stdout
    assert "tiles: would begin in build/training/mine/tiles" in shown.stdout


def test_options_that_do_not_fit_the_kind_are_refused_in_one_line(run, tmp_path):
    folder.write(tmp_path / "mine")
    asked = ("train", "--data", "mine", "--name", "mine")
    for more, said in (
        (("--only", "tiles"), "there is no model 'mine' whose words network could be kept"),
        (("--teacher", "builtin"), "cannot teach: it knows other words than mine has"),
        (("--from", "nowhere", "--dry-run"), "no model called 'nowhere'"),
        (("--from", "builtin"), "reads headers of 176×28"),
    ):
        refused = run(*asked, *more)
        assert refused.exit_code == 1, more
        assert said in refused.stderr
        assert len(refused.stderr.strip().splitlines()) == 1


def test_too_few_tiles_are_named_before_anything_is_learned(run, tmp_path):
    data = folder.write(tmp_path / "mine", tiles=3, captchas=0)
    asked = ("train", "--data", "mine", "--name", "mine", "--dry-run")
    refused = run(*asked)
    assert refused.exit_code == 1
    assert (
        "of 4 words 4 have fewer than 5 pictures: red 3, green 3, blue 3, grey 3" in refused.stderr
    )
    assert run(*asked, "--few").exit_code == 0
    (data / "tiles" / "pink").mkdir()
    assert "'pink' is none of the 4 words of mine/words.txt" in run(*asked, "--few").stderr
