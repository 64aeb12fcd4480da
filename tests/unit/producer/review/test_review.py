"""The review page: doubtful pictures first, decisions on disk at once, for this machine only."""

import signal

import httpx
import numpy as np
import pytest

from models.bootstrap import dataset
from models.bootstrap.dataset import Dataset
from producer.review.tiles import make
from tests.support.data import review
from tilefleet.kind import BUILTIN


@pytest.fixture
def folder(tmp_path):
    review.write(tmp_path)
    return tmp_path


@pytest.fixture
def page(folder):
    return review.Page(make(Dataset.open(folder)))


def test_the_most_doubtful_come_first_with_what_may_be_said(page):
    told = page.get("/groups").json()
    assert [each["group"] for each in told["groups"]] == [4, 3, 2, 1, 0]
    first = told["groups"][0]
    assert first["offered"][0] == {"label": BUILTIN.labels[4], "probability": 0.3, "examples": []}
    assert first["decided"] is None
    assert told["total"] == 5
    assert told["labels"] == list(BUILTIN.labels)


def test_the_page_and_the_pictures_are_served(page):
    assert "site/review.js" in page.get("/").text
    assert "decide(" in page.get("/site/review.js").text
    assert page.get("/site/../server.py").status_code == 404
    assert page.get("/pictures/3").content.startswith(b"\x89PNG")
    assert page.get("/pictures/5").status_code == 404


def test_a_decision_is_on_disk_before_it_is_answered_and_survives(page, folder):
    for group, label in ((4, "锣"), (3, ""), (4, "老虎"), (2, "锣"), (2, None)):
        assert page.post("/decisions", json={"group": group, "label": label}).status_code == 200
    assert Dataset.open(folder).corrections == {4: "老虎", 3: ""}
    again = review.Page(make(Dataset.open(folder)))
    told = again.get("/groups?count=2").json()
    assert [each["decided"] for each in told["groups"]] == ["老虎", ""]
    assert told["decided"] == 2


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b'{"group": 0}', 400),
        (b'{"group": true, "label": ""}', 400),
        (b'{"group": 0, "label": 5}', 400),
        (b'{"group": 0, "label": "cat"}', 400),
        (b'{"group": 99, "label": ""}', 404),
        (b'{"group": -1, "label": ""}', 404),
        (b'"' + b"x" * 5000 + b'"', 413),
    ],
)
def test_what_is_no_decision_is_refused_and_changes_nothing(page, folder, body, status):
    answer = page.post("/decisions", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status
    assert answer.json()["error"]
    assert not (folder / dataset.CORRECTIONS).exists()


@pytest.mark.parametrize("query", ["from=x", "from=-1", "count=0", "count=100000"])
def test_odd_queries_are_refused(page, query):
    assert page.get(f"/groups?{query}").status_code == 400


def test_other_sites_pages_cannot_reach_it(page, folder):
    said = {"content": b'{"group": 0, "label": ""}', "headers": {"content-type": "text/plain"}}
    assert page.post("/decisions", **said).status_code == 415
    assert page.get("/groups", headers={"host": "evil.example"}).status_code == 400
    assert not (folder / dataset.CORRECTIONS).exists()


def test_the_command_serves_on_the_loopback_address_and_exports_at_its_end(folder):
    with review.serving(folder) as (url, server):
        said = {"group": 3, "label": BUILTIN.labels[3]}
        assert httpx.post(f"{url}decisions", json=said).status_code == 200
        server.send_signal(signal.SIGINT)
        assert "1 decisions; 3 pictures in tiles.npz" in server.communicate(timeout=20)[0]
    with np.load(folder / dataset.TILES) as arrays:
        assert arrays["labels"].argmax(axis=1).tolist() == [0, 1, BUILTIN.index[BUILTIN.labels[3]]]
