"""What a folder has to learn from is told before anything is learned."""

import shutil

import numpy as np
import pytest

from models.datasets.counted import write_counted
from models.datasets.inventory import look
from models.datasets.tiles import cut, labelled
from tests.conftest import SAMPLES
from tests.support.data import learnable
from tilefleet.errors import BadAnswers, BadCollection, BadTiles
from tilefleet.kind import BUILTIN


@pytest.fixture
def data(tmp_path):
    return learnable.write(tmp_path)


def test_every_source_and_class_is_counted(data):
    (data / "captchas2016").mkdir()
    shutil.copy(SAMPLES / "000.jpg", data / "captchas2016")
    ticks = []
    found = look(data, lambda done, of: ticks.append((done, of)))
    assert {name: source.pictures for name, source in found.sources.items()} == {
        "tiles": 5 * len(BUILTIN.labels),
        "captchas2016": 1,
    }
    assert found.labelled.tolist() == [5] * len(BUILTIN.labels)
    assert found.few == {}
    total = 5 * len(BUILTIN.labels) + 1
    assert ticks == [(done, total) for done in range(1, total + 1)]


def test_unreadable_files_are_named_counted_and_left_out(data):
    tiles = data / "tiles"
    whole = (tiles / "00_02.png").read_bytes()
    (tiles / "00_01.png").write_bytes(b"<html>")
    (tiles / "00_02.png").write_bytes(whole[: len(whole) // 2])
    (data / "captchas2016").mkdir()
    shutil.copy(SAMPLES / "000.jpg", data / "captchas2016")
    (data / "captchas2016" / "bad.jpg").write_bytes(b"")
    found = look(data)
    assert [file for file, _ in found.sources["tiles"].unreadable] == ["00_01.png", "00_02.png"]
    assert found.sources["captchas2016"].pictures == 1
    told = "\n".join(found.lines())
    for named in ("398 pictures, 2 unreadable", "tiles/00_01.png", "captchas2016/bad.jpg"):
        assert named in told
    known = labelled(tiles)
    assert len(known) == 398
    assert np.bincount(known.labels).tolist() == found.labelled.tolist()
    assert len(cut(data / "captchas2016")) == 8


def test_classes_with_too_few_pictures_are_named(data):
    for number in range(2, 6):
        (data / "tiles" / f"07_{number:02}.png").unlink()
    for path in (data / "tiles").glob("09_*.png"):
        path.unlink()
    found = look(data)
    assert found.few == {BUILTIN.labels[7]: 1, BUILTIN.labels[9]: 0}
    assert f"fewer than 5): {BUILTIN.labels[7]} 1, {BUILTIN.labels[9]} none" in found.lines()[-1]


def test_a_collection_is_counted_by_what_is_most_probable(tmp_path):
    pictures = np.zeros((3, 67, 67, 3), np.uint8)
    labels = np.zeros((3, len(BUILTIN.labels)), np.float32)
    labels[0, 4] = labels[1, 4] = 1
    write_counted(tmp_path / "tiles.npz", pictures, labels, np.arange(3))
    found = look(tmp_path)
    assert found.sources["tiles.npz"].pictures == 3
    assert found.labelled.sum() == found.labelled[4] == 2


def test_a_file_that_changes_changes_the_hash(data):
    before = look(data).sources["tiles"].sha256
    assert look(data).sources["tiles"].sha256 == before
    (data / "tiles" / "00_01.png").rename(data / "tiles" / "01_09.png")
    renamed = look(data).sources["tiles"].sha256
    shutil.copy(data / "tiles" / "00_02.png", data / "tiles" / "00_03.png")
    assert len({before, renamed, look(data).sources["tiles"].sha256}) == 3


def test_answers_are_read_before_and_not_after(data):
    (data / "captchas").mkdir()
    answers = data / "captchas" / "answers.csv"
    answers.write_text("file,words,picks\ngone.jpg,锣,1\n", encoding="utf-8")
    with pytest.raises(BadCollection, match=r"names 1 files that are not there: gone\.jpg"):
        look(data)
    answers.write_text("file,words,picks\ngone.jpg,锣,9\n", encoding="utf-8")
    with pytest.raises(BadAnswers, match="line 2"):
        look(data)


def test_nothing_that_can_be_read_is_an_error(data):
    for path in (data / "tiles").iterdir():
        path.write_bytes(b"")
    with pytest.raises(BadTiles, match="none of its 400 pictures can be read"):
        labelled(data / "tiles")
    assert look(data).labelled.sum() == 0
