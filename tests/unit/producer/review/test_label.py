"""The page where captchas are answered: doubtful guesses first, answers.csv after each decision."""

import shutil
import signal

import httpx
import pytest

from models.datasets.answers import Answer, Answers
from models.engines.reader import Reader
from producer.review.captchas import make
from producer.review.labelling import Labelling
from tests.conftest import SAMPLES
from tests.support.data import review
from tilefleet.errors import BadAnswers
from tilefleet.kind import BUILTIN
from tilefleet.settings import Settings


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "captchas"
    (folder / "more").mkdir(parents=True)
    for name in ("000.jpg", "001.jpg", "002.jpg"):
        shutil.copy(SAMPLES / name, folder)
    shutil.copy(SAMPLES / "003.jpg", folder / "more")
    (folder / "page.jpg").write_bytes(b"<html>")
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.fixture(scope="module")
def reader():
    return Reader(Settings(engine="litert"))


def opened(folder, reader) -> Labelling:
    return Labelling.read(folder, reader, tick=lambda done, of: None, skip=lambda file, why: None)


@pytest.fixture
def labelling(folder, reader):
    return opened(folder, reader)


@pytest.fixture
def page(labelling):
    return review.Page(make(labelling))


def written(folder) -> dict[str, Answer]:
    return Answers.read(folder / "answers.csv", tiles=8).known


def test_what_the_model_is_least_sure_of_comes_first(page, folder):
    told = page.get("/captchas").json()
    doubts = [each["confidence"] for each in told["captchas"]]
    assert doubts == sorted(doubts)
    assert {each["file"] for each in told["captchas"]} == {
        *("000.jpg", "001.jpg", "002.jpg", "more/003.jpg")
    }
    first = told["captchas"][0]
    assert len(first["tiles"]) == len(told["boxes"]) == 8
    assert first["said"] is None
    assert (told["total"], told["decided"]) == (4, 0)
    assert told["labels"] == list(BUILTIN.labels)
    assert not (folder / "answers.csv").exists()


def test_files_that_are_no_captchas_are_named(folder, reader):
    skipped, ticks = [], []
    Labelling.read(
        folder,
        reader,
        tick=lambda done, of: ticks.append((done, of)),
        skip=lambda file, why: skipped.append((file, why)),
    )
    ((file, why),) = skipped
    assert file == "page.jpg"
    assert "6 bytes" in why
    assert ticks[-1] == (5, 5)


def test_labelled_tiles_and_the_drawn_layout_of_a_folder_to_learn_from_are_no_captchas(
    folder, reader
):
    (folder / "layout.toml").write_text("")
    (folder / "tiles" / "毛线").mkdir(parents=True)
    for beside in ("layout.png", "tiles/毛线/1.jpg"):
        shutil.copy(SAMPLES / "004.jpg", folder / beside)
    files = {each.file for each in opened(folder, reader).captchas}
    assert files == {"000.jpg", "001.jpg", "002.jpg", "more/003.jpg"}


def test_a_decision_is_in_the_file_before_it_is_answered_and_is_undone(page, folder, labelling):
    files = [each.file for each in labelling.captchas]

    def said(number, words, picks):
        answer = page.post("/decisions", json={"number": number, "words": words, "picks": picks})
        assert answer.status_code == 200
        return answer.json()

    assert said(0, ["锣"], [3])["decided"] == 1
    assert written(folder) == {files[0]: Answer(("锣",), (3,))}
    assert said(1, ["电线", "沙拉"], [7, 5])["decided"] == 2
    assert said(0, ["锣"], [4])["said"] == {"words": ["锣"], "picks": [4]}
    assert written(folder) == {
        files[0]: Answer(("锣",), (4,)),
        files[1]: Answer(("电线", "沙拉"), (5, 7)),
    }
    assert page.post("/undo", json={}).json() == {
        "number": 0,
        "said": {"words": ["锣"], "picks": [3]},
        "decided": 2,
    }
    assert page.post("/undo", json={}).json() == {"number": 1, "said": None, "decided": 1}
    assert written(folder) == {files[0]: Answer(("锣",), (3,))}
    assert page.post("/undo", json={}).json()["said"] is None
    assert written(folder) == {}
    assert page.post("/undo", json={}).status_code == 409


def test_what_was_decided_before_is_shown_and_what_others_write_stays(folder, reader):
    (folder / "answers.csv").write_bytes(
        "\ufefffile;words;picks;who\r\n000.jpg;锣;3;me\r\n".encode()
    )
    page = review.Page(make(opened(folder, reader)))
    told = page.get("/captchas").json()
    assert told["decided"] == 1
    said = {each["file"]: each["said"] for each in told["captchas"]}
    assert said["000.jpg"] == {"words": ["锣"], "picks": [3]}
    with (folder / "answers.csv").open("a", encoding="utf-8", newline="") as file:
        file.write("other.jpg;老虎;1;them\r\n")
    number = next(each["number"] for each in told["captchas"] if each["file"] == "more/003.jpg")
    page.post("/decisions", json={"number": number, "words": ["海鸥"], "picks": [2]})
    assert (folder / "answers.csv").read_bytes().decode() == (
        "\ufefffile;words;picks;who\r\n000.jpg;锣;3;me\r\nother.jpg;老虎;1;them\r\n"
        "more/003.jpg;海鸥;2;\r\n"
    )


def test_a_broken_answers_file_is_told_before_anything_is_read_and_is_not_overwritten(
    page, folder, reader
):
    (folder / "answers.csv").write_text("not,that\n")
    with pytest.raises(BadAnswers):
        opened(folder, reader)
    answer = page.post("/decisions", json={"number": 0, "words": ["锣"], "picks": [3]})
    assert answer.status_code == 500
    assert "expected file, words, picks" in answer.json()["error"]
    assert (folder / "answers.csv").read_text() == "not,that\n"


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ([], 400),
        ({"number": 0, "words": ["锣"]}, 400),
        ({"number": 99, "words": ["锣"], "picks": [1]}, 404),
        ({"number": -1, "words": ["锣"], "picks": [1]}, 404),
        ({"number": True, "words": ["锣"], "picks": [1]}, 404),
        ({"number": 0, "words": [], "picks": [1]}, 400),
        ({"number": 0, "words": ["锣"] * 5, "picks": [1]}, 400),
        ({"number": 0, "words": "锣", "picks": [1]}, 400),
        ({"number": 0, "words": ["a b"], "picks": [1]}, 400),
        ({"number": 0, "words": ["a\nb"], "picks": [1]}, 400),
        ({"number": 0, "words": ["锣" * 21], "picks": [1]}, 400),
        ({"number": 0, "words": ["锣"], "picks": []}, 400),
        ({"number": 0, "words": ["锣"], "picks": [9]}, 400),
        ({"number": 0, "words": ["锣"], "picks": [1, 1]}, 400),
        ({"number": 0, "words": ["锣"], "picks": ["1"]}, 400),
    ],
)
def test_what_is_no_decision_is_refused_and_changes_nothing(page, folder, said, status):
    answer = page.post("/decisions", json=said)
    assert answer.status_code == status
    assert answer.json()["error"]
    assert not (folder / "answers.csv").exists()


def test_other_sites_pages_cannot_reach_it(page):
    said = {"content": b"{}", "headers": {"content-type": "text/plain"}}
    assert page.post("/undo", **said).status_code == 415
    assert page.get("/captchas", headers={"host": "evil.example"}).status_code == 400


def test_other_machines_need_the_secret_that_is_in_the_link(labelling):
    page = review.Page(make(labelling, secret="s3cret"))
    assert page.get("/captchas").status_code == 404
    assert page.get("/").status_code == 404
    assert page.get("/s3cret/captchas", headers={"host": "phone.example"}).status_code == 200
    assert "site/label.js" in page.get("/s3cret/").text
    assert page.get("/s3cret/site/label.js").status_code == 200


def test_the_command_serves_a_folder_and_says_what_was_decided(folder):
    with review.serving(folder, "label", "--host", "127.0.0.2") as (url, server):
        assert len(url.rstrip("/").rpartition("/")[2]) > 15
        told = httpx.get(f"{url}captchas", timeout=20).json()["captchas"][0]
        assert httpx.get(f"{url}pictures/0").headers["content-type"] == "image/jpeg"
        said = {"number": 0, "words": told["words"], "picks": told["picks"]}
        assert httpx.post(f"{url}decisions", json=said).status_code == 200
        server.send_signal(signal.SIGINT)
        assert "1 of 4 captchas are in" in server.communicate(timeout=20)[0]
    assert [*written(folder)] == [told["file"]]
