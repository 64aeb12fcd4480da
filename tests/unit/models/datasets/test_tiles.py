"""Tiles to learn from: what of a file is the tile, and what is known of it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.datasets import tiles
from models.datasets.pictures import UNKNOWN
from models.recognition.crops import cut_tiles
from models.recognition.image import decode
from tilefleet.errors import BadTiles
from tilefleet.kind import BUILTIN


def test_the_tile_of_a_labelled_picture_is_what_its_margin_leaves(labelled_folder: Path) -> None:
    known = tiles.labelled(labelled_folder)
    with Image.open(labelled_folder / "00_01.png") as image:
        np.testing.assert_array_equal(known.tiles()[0], np.asarray(image)[3:70, 3:70])
    assert known.labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert known.numbers.tolist() == [1, 9] * 4


def test_tiles_cut_for_training_are_those_cut_for_reading(captcha_folder: Path) -> None:
    data = (captcha_folder / "a.jpg").read_bytes()
    expected = cut_tiles(decode(data, BUILTIN.layout, max_bytes=1 << 20), BUILTIN.layout)
    found = tiles.cut(captcha_folder)
    np.testing.assert_array_equal(found.tiles(), expected)
    assert set(found.labels) == {UNKNOWN}
    assert not found.truth.any()


def test_what_a_strange_word_asks_for_shows_no_label(captcha_folder: Path) -> None:
    (captcha_folder / "answers.csv").write_text("file,words,picks\na.jpg,土豆,2 7\n")
    truth = tiles.cut(captcha_folder).truth
    assert truth.sum(axis=1).round(4).tolist() == [0, 1, 0, 0, 0, 0, 1, 0]
    assert truth[1].max() == truth[1].min()
    # 球拍 and the label 网球拍 are the same thing.
    (captcha_folder / "answers.csv").write_text("file,words,picks\na.jpg,球拍,2 7\n")
    assert not tiles.cut(captcha_folder).truth.any()


def test_counts_in_easy12306s_format_become_shares(tmp_path: Path) -> None:
    images = np.random.default_rng(5).integers(0, 256, (2, 67, 67, 3), np.uint8)
    counts = np.zeros((2, 80), np.int64)
    counts[0, [3, 7]] = 3, 1
    np.savez(tmp_path / "seen.npz", images=images, labels=counts)
    found = tiles.labelled(tmp_path / "seen.npz")
    np.testing.assert_array_equal(found.tiles(), images[..., ::-1])
    assert found.labels.tolist() == [3, UNKNOWN]
    np.testing.assert_allclose(found.truth[0, [3, 7]], [0.6, 0.2])
    assert found.truth[1].sum() == 0


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": np.zeros((1, 67, 67, 3), np.uint8)}, "labels"),
        ({"images": np.zeros((1, 5, 5, 3), np.uint8), "labels": np.ones((1, 80))}, "1, 67, 67, 3"),
        ({"images": np.zeros((1, 67, 67, 3)), "labels": np.ones((1, 80))}, "float64"),
        ({"images": np.zeros((1, 67, 67, 3), np.uint8), "labels": -np.ones((1, 80))}, "no counts"),
        ({"images": np.array([{}]), "labels": np.ones((1, 80))}, "pickle"),
    ],
)
def test_a_collection_that_is_none_is_refused(
    tmp_path: Path, arrays: dict[str, np.ndarray], message: str
) -> None:
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(BadTiles, match=message):
        tiles.labelled(tmp_path / "bad.npz")
    (tmp_path / "bad.npz").write_bytes(b"no archive")
    with pytest.raises(BadTiles, match=r"bad\.npz"):
        tiles.labelled(tmp_path / "bad.npz")


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "99_01.png").write_bytes(b"")
    with pytest.raises(BadTiles, match="no pictures named LL_KK"):
        tiles.labelled(tmp_path)
    with pytest.raises(BadTiles, match="no captchas"):
        tiles.cut(tmp_path)


def test_a_data_folder_has_a_folder_of_tiles_or_a_collection(
    labelled_folder: Path, tmp_path: Path
) -> None:
    data = tmp_path / "found"
    data.mkdir()
    np.savez(data / "tiles.npz", images=np.zeros((1, 67, 67, 3), np.uint8), labels=np.eye(80)[:1])
    assert len(tiles.labelled(tiles.labelled_in(data))) == 1
    assert tiles.labelled_in(labelled_folder.parent) == labelled_folder
