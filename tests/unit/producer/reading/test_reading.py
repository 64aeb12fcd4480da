"""How `tilefleet solve` prints answers, watches folders and shows pictures."""

import csv
import io
import os
from base64 import standard_b64decode
from dataclasses import replace
from threading import Thread

import click
import pytest
from click.testing import CliRunner

from producer.cli.main import main
from producer.reading import grid, inline
from producer.reading.appearing import appearing
from producer.reading.forms import Grid as GridForm
from producer.reading.forms import Plain
from producer.reading.run import Run
from producer.terminal.inputs import Input
from producer.terminal.text import display_width, percent
from tests.support.running.fleet import wait_until
from tilefleet import FleetUnreachable, NotAnImage
from tilefleet.answer import Grid, Reading
from tilefleet.testing import AnswerFactory

ANSWER = AnswerFactory().build(["电线", "沙拉"], [5, 7])


@pytest.fixture
def run(monkeypatch, fake_fleet):
    monkeypatch.setattr("producer.client.Client", lambda: fake_fleet)
    fake_fleet.when(lambda _: True, ANSWER)
    fake_fleet.when(b"bad", NotAnImage("3 bytes: text, really"))
    return lambda *arguments, **options: CliRunner().invoke(
        main, [str(each) for each in arguments], **options
    )


def test_the_grid_is_the_picture_s_with_picks_marked_and_fits_80_columns():
    shown = click.unstyle(grid.draw(ANSWER, title="a.jpg"))
    lines = shown.splitlines()
    assert lines[0].startswith("a.jpg  电线 ")
    assert len({display_width(line) for line in lines[1:-1]}) == 1
    assert display_width(lines[1]) < 80
    first, second = lines[2], lines[5]
    for number, tile in enumerate(ANSWER.tiles, 1):
        assert f"{number} {tile.label}" in (first if number < 5 else second)
    assert lines[3].count("✔ pick") == 0
    assert [cell.count("✔ pick") for cell in lines[6].strip("│").split("│")] == [1, 0, 1, 0]
    assert lines[-1].startswith("picks 5 7  points 40,149 184,149  sure ")


def test_a_grid_of_another_kind_is_drawn_as_it_is():
    three = replace(ANSWER, grid=Grid((0, 10, 20), (0, 10, 20), (9, 9)), picks=(8,))
    tiles = (*three.tiles[:7], Reading("a label longer than all", 0.5), three.tiles[0])
    lines = click.unstyle(grid.draw(replace(three, tiles=tiles))).splitlines()
    assert lines[1].count("┬") == 2
    assert "8 a label longer than all" in lines[8]
    assert lines[9].count("✔ pick") == 1
    assert len({display_width(line) for line in lines[1:-1]}) == 1


def test_a_narrow_terminal_gets_a_narrow_grid_or_lines(monkeypatch):
    for within in (80, 60, 50, 45):
        shown = grid.draw(ANSWER, within=within)
        lines = click.unstyle(shown).splitlines()[1:-1]
        assert {display_width(line) for line in lines} == {display_width(lines[0])}
        assert display_width(lines[0]) <= within
        assert lines[5].count("✔") == 2
    assert grid.draw(ANSWER, within=40) is None
    monkeypatch.setenv("COLUMNS", "40")
    assert GridForm().answered("a.jpg", ANSWER, alone=True) == Plain().answered(
        "a.jpg", ANSWER, alone=True
    )


def test_confidences_are_coloured_by_how_sure_they_are():
    for share, colour in ((0.95, "\x1b[32m"), (0.6, "\x1b[33m"), (0.2, "\x1b[31m")):
        assert colour in grid._share(share)
    assert (percent(1.0), percent(0.994)) == ("99+%", "99%")


def test_a_pipe_gets_lines_and_a_table_has_a_row_for_what_failed(run, tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"any")
    (tmp_path / "b,c.jpg").write_bytes(b"bad")
    assert "┌" not in run("solve", tmp_path).stdout
    result = run("solve", "--csv", tmp_path)
    assert result.exit_code == 1
    first, second = csv.DictReader(io.StringIO(result.stdout))
    assert first["words"] == "电线|沙拉"
    assert first["tiles"].split("|") == [tile.label for tile in ANSWER.tiles]
    assert (first["picks"], first["error"]) == ("5 7", "")
    assert second["file"].endswith("b,c.jpg")
    assert second["error"] == "NotAnImage: 3 bytes: text, really"
    assert "1 of 2 answered, 1 failed" in result.stderr
    assert "1 of 2" not in run("solve", "-q", tmp_path).stderr


def test_a_name_that_is_empty_is_no_folder(run):
    result = run("solve", "")
    assert result.exit_code == 1
    assert "tilefleet: '': no name" in result.stderr


def test_names_come_in_every_way_in_which_lists_are_written(run, tmp_path):
    long = "a" * 300
    list_ = tmp_path / "list"
    list_.write_bytes(
        b"\xef\xbb\xbfsamples/002.jpg\r\nsamples/007.jpg\0samples/none.jpg\0\r\n" + long.encode()
    )
    result = run("solve", "--local", "--csv", "--files-from", str(list_))
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["picks"] for row in rows] == ["5 7", "2 4 5 7", "", ""]
    assert rows[2]["error"].startswith("No such file")
    assert [row["file"] for row in rows][3] == long
    assert rows[3]["error"] == "File name too long"
    assert "answered, 2 failed" in result.stderr


def test_what_has_no_end_is_too_large(run):
    result = run("solve", "--local", "/dev/zero")
    assert result.exit_code == 1
    assert "TooLarge" in result.stderr


def test_one_form_at_a_time(run):
    assert run("solve", "--csv", "--json", "a.jpg").exit_code == 2


def test_a_picture_is_shown_only_where_one_can_be(run):
    result = run("solve", "--show", "a.jpg")
    assert result.exit_code == 2
    assert "--picture" in result.stderr


@pytest.mark.parametrize(
    ("environ", "how"),
    [
        ({"TERM": "xterm-kitty"}, inline.kitty),
        ({"TERM": "xterm-256color", "KONSOLE_VERSION": "230800"}, inline.kitty),
        ({"TERM_PROGRAM": "WezTerm"}, inline.iterm),
        ({"LC_TERMINAL": "iTerm2"}, inline.iterm),
        ({"TERM": "xterm-256color"}, None),
        ({"TERM": "tmux-256color", "KITTY_WINDOW_ID": "1", "TMUX": "/tmp/x"}, None),
    ],
)
def test_terminals_are_known_by_their_environment(environ, how):
    assert inline.by_name(environ) is how


def test_a_picture_travels_whole_in_pieces():
    png = os.urandom(10_000)
    pieces = inline.kitty(png).split("\x1b\\")[:-1]
    assert all(piece.startswith("\x1b_G") for piece in pieces)
    assert [("m=1" in piece) for piece in pieces] == [True] * (len(pieces) - 1) + [False]
    assert standard_b64decode("".join(piece.partition(";")[2] for piece in pieces)) == png
    assert standard_b64decode(inline.iterm(png).partition(":")[2].rstrip("\a")) == png


def test_what_appears_in_a_folder_is_given_once_and_again_when_it_changes(tmp_path):
    pytest.importorskip("watchfiles")
    (tmp_path / "before.jpg").write_bytes(b"any")
    seen = []
    batches = appearing(str(tmp_path))
    # Before the first is asked for.
    (tmp_path / "early.jpg").write_bytes(b"any")

    def watch():
        for batch in batches:
            seen.extend(each.name for each in batch)
            if "end.png" in seen[-1]:
                return

    thread = Thread(target=watch, daemon=True)
    thread.start()
    wait_until(lambda: seen == [str(tmp_path / "early.jpg")])
    (tmp_path / "deep").mkdir()
    for name in ("a.jpg", "notes.txt", ".hidden.jpg", "b.png"):
        (tmp_path / name).write_bytes(b"any")
    wait_until(lambda: len(seen) == 3)
    (tmp_path / "a.jpg").write_bytes(b"longer")
    wait_until(lambda: len(seen) == 4)
    (tmp_path / "part").write_bytes(b"any")
    (tmp_path / "part").rename(tmp_path / "deep" / "c.gif")
    wait_until(lambda: len(seen) == 5)
    (tmp_path / "end.png").write_bytes(b"any")
    thread.join(10)
    assert [name.removeprefix(f"{tmp_path}/") for name in seen] == [
        *("early.jpg", "a.jpg", "b.png", "a.jpg", "deep/c.gif", "end.png")
    ]


def test_while_a_folder_is_watched_a_server_that_is_away_is_waited_for(monkeypatch, capsys):
    monkeypatch.setattr("producer.reading.run._AGAIN_S", 0.0)
    troubles = [FleetUnreachable("redis://here: refused")] * 2

    def read(captchas):
        for number, captcha in enumerate(captchas):
            if number == 1 and troubles:
                raise troubles.pop()
            yield captcha, ANSWER

    run = Run(read, Plain(), album=None, show_picture=None, alone=False)
    names = ["a.jpg", "b.jpg", "c.jpg"]
    assert run.watch([[Input(name) for name in names]], folder="there") == 0
    shown = capsys.readouterr()
    assert [line for line in shown.out.splitlines() if line.endswith("jpg:")] == [
        f"{name}:" for name in names
    ]
    assert shown.err.count("redis://here: refused") == 1
