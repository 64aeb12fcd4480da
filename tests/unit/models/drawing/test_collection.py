"""Simulated collections that nobody labelled: how often what comes back, and how altered."""

import csv

import numpy as np
import pytest

from models.drawing import alter
from models.drawing import tiles as pictures
from models.drawing.collection import TRUTH, plan
from models.recognition.crops import Crops
from tilefleet.errors import BadTiles
from tilefleet.kind import BUILTIN


@pytest.fixture(scope="module")
def collection():
    return plan(pictures.TILES, captchas=30, pool=30, header_errors=0.03, seed=4)


@pytest.fixture(scope="module")
def folder(collection, tmp_path_factory):
    folder = tmp_path_factory.mktemp("collection")
    collection.write(folder)
    return folder


def test_every_picture_of_a_collection_comes_back_as_often_as_was_asked():
    drawn = plan(pictures.TILES, captchas=300, repeats=8, seed=1)
    times = np.bincount(drawn.shown.ravel(), minlength=len(drawn.labels))
    assert len(drawn.labels) == 300
    assert abs(times - 8).mean() < 0.5


def test_headers_are_wrong_as_often_as_was_asked_and_tiles_show_what_was_meant():
    drawn = plan(pictures.TILES, captchas=1500, repeats=20, header_errors=0.1, seed=2)
    words = drawn.asked != BUILTIN.none
    assert 0.07 < (drawn.asked != drawn.headers)[words].mean() < 0.13
    assert np.array_equal(words, drawn.headers != BUILTIN.none)
    for tiles, asked in zip(drawn.tile_labels, drawn.asked, strict=True):
        assert set(asked[asked != BUILTIN.none].tolist()) <= set(tiles.tolist())


def test_the_same_seed_draws_the_same_collection(collection, folder):
    again = plan(pictures.TILES, captchas=30, pool=30, header_errors=0.03, seed=4)
    assert again.draw(17) == collection.draw(17) == (folder / "000017.jpg").read_bytes()
    Crops.from_bytes(again.draw(17), BUILTIN.layout, max_bytes=1 << 20)


def test_copies_of_a_picture_are_like_it_and_not_the_same():
    rng = np.random.default_rng(1)
    picture = plan(pictures.TILES, captchas=3, pool=30).picture(0)
    copies = [alter.again(picture, rng) for _ in range(4)]
    inside = np.asarray(picture)[alter.MARGIN : -alter.MARGIN, alter.MARGIN : -alter.MARGIN]
    for copy in copies:
        assert copy.shape == (67, 67, 3)
        assert 0 < np.abs(copy.astype(int) - inside).mean() < 40
    assert len({copy.tobytes() for copy in copies}) == 4


def test_a_pool_too_small_to_ask_for_anything_is_refused():
    with pytest.raises(BadTiles, match="a pool of 2 pictures has 2 labels"):
        plan(pictures.TILES, captchas=10, pool=2)


def test_the_truth_is_written_beside_a_collection(folder, collection):
    with (folder / TRUTH).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == [collection.name(n) for n in range(30)]
    assert rows[5]["labels"].split() == [
        BUILTIN.labels[label] for label in collection.tile_labels[5]
    ]
    assert rows[5]["pictures"].split() == [str(each) for each in collection.shown[5]]
