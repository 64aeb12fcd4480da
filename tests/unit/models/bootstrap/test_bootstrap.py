"""Labels from captchas that nobody labelled: a small collection of ours, and what may go wrong."""

import csv

import numpy as np
import pytest
from PIL import Image

from models import store
from models.bootstrap import checks, dataset, groups, learner, run, scan, signatures
from models.datasets.tiles import labelled
from models.drawing import tiles as pictures
from models.drawing.collection import plan
from models.recognition.crops import Crops
from tilefleet.errors import BadCollection
from tilefleet.kind import BUILTIN


def quiet(step):
    return lambda done, of: None


def silent(line):
    pass


def bootstrap(folder, out, **options):
    return run.bootstrap(folder, out, **{"rounds": 0, **options}, begin=quiet, say=silent)


@pytest.fixture(scope="module")
def collection():
    """240 captchas of 30 pictures of our own: each comes back 64 times."""
    return plan(pictures.TILES, captchas=240, pool=30, header_errors=0.03, seed=4)


@pytest.fixture(scope="module")
def folder(collection, tmp_path_factory):
    folder = tmp_path_factory.mktemp("collection")
    collection.write(folder)
    (folder / "page.html").write_text("not a picture")
    (folder / "broken.jpg").write_bytes(b"<html>")
    return folder


@pytest.fixture(scope="module")
def found(folder, tmp_path_factory):
    """What bootstrapping makes of it, by repetition alone."""
    out = tmp_path_factory.mktemp("found")
    return bootstrap(folder, out), out


def test_tiles_get_their_labels_without_any(collection, found):
    _, out = found
    with (out / dataset.TABLE).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    truth = [BUILTIN.labels[label] for label in collection.tile_labels.ravel()]
    assert len(rows) == len(truth)
    right = [row["label"] == label for row, label in zip(rows, truth, strict=True)]
    assert np.mean(right) > 0.95


def test_unreadable_files_are_listed_and_skipped(found):
    outcome, out = found
    assert outcome.captchas == 240
    assert [file for file, _ in outcome.unreadable] == ["broken.jpg"]
    assert "NotAnImage" in (out / dataset.UNREADABLE).read_text(encoding="utf-8")


def test_the_dataset_is_what_training_reads(found):
    outcome, out = found
    read = labelled(out / dataset.TILES)
    assert len(read) == outcome.sure > 20
    with np.load(out / dataset.TILES) as arrays:
        assert arrays["images"].dtype == np.uint8
        # BGR there, RGB here.
        first = int(np.flatnonzero(outcome.dataset.corrected().max(axis=1) >= dataset.SURE)[0])
        assert np.array_equal(arrays["images"][0][..., ::-1], outcome.dataset.pictures[first])


def test_every_label_found_has_a_contact_sheet(found):
    outcome, out = found
    sheets = sorted((out / "sheets").glob("*.jpg"))
    assert len(sheets) == len(set(outcome.dataset.labels.argmax(axis=1).tolist()))
    with Image.open(sheets[0]) as image:
        assert image.width > 800


def test_a_run_that_was_cut_off_goes_on(folder, found, tmp_path, monkeypatch):
    def fails(*arguments, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(groups, "group", fails)
        with pytest.raises(KeyboardInterrupt):
            bootstrap(folder, tmp_path)
    # What was read is not read again.
    monkeypatch.setattr(Crops, "from_pixels", fails)
    with pytest.raises(KeyboardInterrupt):
        bootstrap(folder, tmp_path)
    assert (tmp_path / "steps" / "groups.npy").exists()
    monkeypatch.undo()
    again = bootstrap(folder, tmp_path)
    assert np.array_equal(again.dataset.labels, found[0].dataset.labels)


def test_learning_ends_when_headers_agree_no_better_and_is_not_begun_again(
    folder, tmp_path, monkeypatch
):
    asked = []

    def knows_nothing(pictures, labels, **options):
        asked.append(options["directory"].name)
        return learner.Opinion(np.zeros_like(labels), 0, len(labels), 0.0, 1.0)

    monkeypatch.setattr(learner, "learn", knows_nothing)
    first = bootstrap(folder, tmp_path, rounds=3)
    assert len(first.rounds) == 2
    again = bootstrap(folder, tmp_path, rounds=3)
    assert np.array_equal(again.dataset.labels, first.dataset.labels)
    assert asked == ["learner1"]


def test_a_run_tells_its_time(found):
    outcome, _ = found
    assert {"reading captchas", "estimating labels"} <= set(outcome.seconds)
    each = 1000 * sum(outcome.seconds.values()) / 240
    assert f"{each:.2f} ms a captcha: reading captchas" in outcome.lines()[-1]


def test_a_folder_is_not_mixed_with_what_was_begun_for_another(folder, found, tmp_path):
    plan(pictures.TILES, captchas=3, pool=30).write(tmp_path)
    with pytest.raises(BadCollection, match=r"was begun with folder .*; files 241 and not 3"):
        bootstrap(tmp_path, found[1])


def test_what_is_missing_is_said(tmp_path):
    few, empty, none = (tmp_path / name for name in ("few", "empty", "none"))
    plan(pictures.TILES, captchas=5, pool=30).write(few)
    empty.mkdir()
    none.mkdir()
    (none / "a.jpg").write_bytes(b"")
    with pytest.raises(BadCollection, match=r"5 readable captchas .* at least 40 captchas"):
        bootstrap(few, tmp_path / "1")
    with pytest.raises(BadCollection, match="has no pictures"):
        bootstrap(empty, tmp_path / "2")
    with pytest.raises(BadCollection, match=r"none of the 1 files .* NotAnImage: 0 bytes"):
        bootstrap(none, tmp_path / "3")


def test_pictures_that_never_come_back_tell_nothing():
    with pytest.raises(BadCollection, match=r"100 captchas show 800 pictures, 800 of them once"):
        checks.check_repeats("there", np.arange(800, dtype=np.int32))


def test_a_scan_keeps_the_order_of_the_files(folder, collection, tmp_path):
    entry = store.find("builtin")
    seen = scan.scan(folder, tmp_path, words=entry, signature=signatures.find("colour"))
    assert list(seen.files) == [collection.name(number) for number in range(240)]
    assert (seen.words == collection.headers).mean() > 0.97


@pytest.fixture
def corrected(found):
    """Its folder; what is said of it is forgotten afterwards."""
    outcome, out = found
    yield out
    (out / dataset.CORRECTIONS).unlink()
    outcome.dataset.export()


def test_corrections_survive_and_the_last_word_counts(found, corrected):
    opened = dataset.Dataset.open(corrected)
    opened.correct(0, "锣")
    opened.correct(0, "老虎")
    opened.correct(1, dataset.NOTHING)
    opened.correct(2, "锣")
    opened.correct(2, None)
    with (corrected / dataset.CORRECTIONS).open("ab") as file:
        file.write('{"place": "000", "label": "锣'.encode()[:-1])  # The machine went down here.
    again = dataset.Dataset.open(corrected)
    assert again.corrections == opened.corrections == {0: "老虎", 1: ""}
    assert again.corrected()[0].argmax() == BUILTIN.index["老虎"]
    assert again.corrected()[1].max() == 0
    sure = set(np.flatnonzero(again.labels.max(axis=1) >= dataset.SURE))
    assert len(sure) == found[0].sure
    assert again.export() == len((sure | {0}) - {1})
    # The line that was cut off does not swallow the next one.
    again.correct(3, "锣")
    assert dataset.Dataset.open(corrected).corrections == {0: "老虎", 1: "", 3: "锣"}


def test_the_table_has_what_people_said(found, corrected):
    opened = dataset.Dataset.open(corrected)
    before = (corrected / dataset.TABLE).read_text(encoding="utf-8").splitlines()
    opened.correct(0, "锣")
    opened.correct(1, dataset.NOTHING)
    opened.export()
    after = (corrected / dataset.TABLE).read_text(encoding="utf-8").splitlines()
    assert len(after) == len(before)
    said = {0: ["锣", "1.0000"], 1: ["", "1.0000"]}
    for old, new in zip(before[1:], after[1:], strict=True):
        group = int(old.split(",")[2])
        assert new.split(",")[3:] == said.get(group, old.split(",")[3:])


def test_what_is_no_dataset_is_refused(tmp_path):
    with pytest.raises(BadCollection, match="is no dataset"):
        dataset.Dataset.open(tmp_path)
