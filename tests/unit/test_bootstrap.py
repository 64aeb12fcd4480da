"""Labels from captchas that nobody labelled: a small collection of ours, and what may go wrong."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from models import store
from models.art import alter, pictures
from models.art.collection import TRUTH, plan
from models.bootstrap import cooccurrence, dataset, groups, learner, run, scan, signatures
from models.bootstrap.cooccurrence import Rates, Sightings
from models.captcha import Crops
from models.decision import TILES_PER_WORD
from models.errors import BadCollection, BadTiles, TilefleetError
from models.labels import INDEX, LABELS, NONE
from models.training.pictures import labelled


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


# Collections --------------------------------------------------------------------------------------


def test_every_picture_of_a_collection_comes_back_as_often_as_was_asked():
    drawn = plan(pictures.TILES, captchas=300, repeats=8, seed=1)
    times = np.bincount(drawn.shown.ravel(), minlength=len(drawn.labels))
    assert len(drawn.labels) == 300
    assert abs(times - 8).mean() < 0.5


def test_headers_are_wrong_as_often_as_was_asked_and_tiles_show_what_was_meant():
    drawn = plan(pictures.TILES, captchas=1500, repeats=20, header_errors=0.1, seed=2)
    words = drawn.asked != NONE
    assert 0.07 < (drawn.asked != drawn.headers)[words].mean() < 0.13
    assert np.array_equal(words, drawn.headers != NONE)
    for tiles, asked in zip(drawn.tile_labels, drawn.asked, strict=True):
        assert set(asked[asked != NONE].tolist()) <= set(tiles.tolist())


def test_the_same_seed_draws_the_same_collection(collection, folder):
    again = plan(pictures.TILES, captchas=240, pool=30, header_errors=0.03, seed=4)
    assert again.draw(17) == collection.draw(17) == (folder / "000017.jpg").read_bytes()
    Crops.from_bytes(again.draw(17), max_bytes=1 << 20)


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


# Signatures and groups ----------------------------------------------------------------------------


def copies_of(collection, count=6):
    rng = np.random.default_rng(3)
    tiles = [alter.again(collection.picture(each), rng) for each in range(30) for _ in range(count)]
    return np.stack(tiles), np.repeat(np.arange(30), count)


@pytest.mark.parametrize("name", ["average", "difference", "perceptual", "wavelet", "colour"])
def test_copies_are_nearer_than_other_pictures(collection, name):
    tiles, truth = copies_of(collection)
    vectors = signatures.find(name)(tiles)
    distances = np.square(vectors[:, None] - vectors[None]).sum(axis=2) / 2
    np.fill_diagonal(distances, np.inf)
    assert (truth[distances.argmin(axis=1)] == truth).mean() > 0.85
    assert np.linalg.norm(vectors, axis=1).max() <= 1.001


def test_an_unknown_signature_is_named():
    with pytest.raises(TilefleetError, match=r"no signature called 'md5'; there are: average"):
        signatures.find("md5")


def test_groups_are_the_pictures(collection):
    tiles, truth = copies_of(collection)
    signature = signatures.find("colour")
    members = groups.group(signature(tiles), signature.threshold)
    assert len(members) == len(tiles)
    for group in set(members.tolist()):
        assert len(set(truth[members == group].tolist())) == 1
    assert len(set(members.tolist())) < 45
    # Numbered by first appearance.
    assert members[0] == 0
    assert (np.maximum.accumulate(members)[1:] - np.maximum.accumulate(members)[:-1]).max() <= 1


def test_neither_nothing_nor_one_tile_is_a_difficulty():
    for count in (0, 1):
        assert groups.group(np.zeros((count, 107), np.float16), 0.07).tolist() == [0] * count


# The model ----------------------------------------------------------------------------------------


def test_the_message_to_a_tile_is_what_bayes_says():
    """Against all 2^8 ways in which eight tiles may show one word."""
    rng = np.random.default_rng(5)
    shown = rng.uniform(0.01, 0.6, (1, 8, 1))
    rates, trust = Rates(), 0.9
    messages, _, _ = cooccurrence._messages(shown, np.array([[trust]]), rates)
    chance = 1 / len(LABELS)
    weights = {True: 0.0, False: 0.0}
    for ways in np.ndindex(*(2,) * 8):
        ways = np.array(ways)
        k = int(ways.sum())
        beliefs = np.where(ways[1:], shown[0, 1:, 0], 1 - shown[0, 1:, 0]).prod()
        asked = 0.0
        if 1 <= k <= cooccurrence.MOST:
            arrangements = np.array([1, 8, 28, 56, 70])[k]
            by_chance = chance**k * (1 - chance) ** (8 - k)
            asked = rates.tiles_per_word[k - 1] / arrangements / by_chance
        weights[bool(ways[0])] += beliefs * (trust * asked + 1 - trust)
    assert messages[0, 0, 0] == pytest.approx(np.log(weights[True] / weights[False]))


def sightings(captchas, seed, header_errors=0.0):
    drawn = plan(pictures.TILES, captchas=captchas, pool=60, header_errors=header_errors, seed=seed)
    sure = np.where(drawn.headers == NONE, 1.0, 0.97)
    return drawn, Sightings(drawn.shown, drawn.headers, sure)


@pytest.mark.parametrize("header_errors", [0.0, 0.05, 0.1])
def test_more_captchas_tell_more(header_errors):
    right = []
    for captchas in (30, 90, 640):
        drawn, seen = sightings(captchas, 6, header_errors)
        beliefs = cooccurrence.fit(seen, len(drawn.labels))
        right.append((beliefs.labels.argmax(axis=1) == drawn.labels)[drawn.shown].mean())
    assert right[0] < right[1] <= right[2]
    assert right[2] > 0.97


def test_the_rates_are_found():
    drawn, seen = sightings(1500, 7, 0.1)
    beliefs = cooccurrence.fit(seen, len(drawn.labels))
    assert beliefs.wrong_words == pytest.approx(0.1, abs=0.03)
    assert np.allclose(beliefs.rates.tiles_per_word[:3], TILES_PER_WORD[:3], atol=0.06)


def test_held_out_headers_tell_good_labels_from_bad():
    drawn, seen = sightings(300, 8)
    held = np.arange(len(seen)) % 10 == 0
    truth = np.eye(len(LABELS), dtype=np.float32)[drawn.labels]
    good = cooccurrence.agree(seen.only(held), truth, Rates(), 0.02)
    bad = cooccurrence.agree(seen.only(held), np.roll(truth, 1, axis=1), Rates(), 0.02)
    assert good[0] > bad[0]
    assert good[1] == 1.0


def test_a_picture_seen_once_is_what_a_network_sees_in_it():
    seen = Sightings(
        np.arange(8, dtype=np.int32)[np.newaxis],
        np.array([[INDEX["锣"], NONE]], np.int16),
        np.array([[0.99, 0.99]]),
    )
    prior = np.zeros((8, len(LABELS)), np.float32)
    prior[:, :] = np.log(0.1 / 79)
    prior[np.arange(8), np.arange(8)] = np.log(0.9)
    prior[3] = np.log(1 / 80)
    beliefs = cooccurrence.fit(seen, 8, prior=prior)
    assert beliefs.labels[0].argmax() == 0
    # Of the one it knows nothing about, the header tells: seven others show something else.
    assert beliefs.labels[3].argmax() == INDEX["锣"]


# All of it ----------------------------------------------------------------------------------------


def test_tiles_get_their_labels_without_any(collection, found):
    _, out = found
    with (out / dataset.TABLE).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    truth = [LABELS[label] for label in collection.tile_labels.ravel()]
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


def test_a_folder_is_not_mixed_with_what_was_begun_for_another(folder, found, tmp_path):
    plan(pictures.TILES, captchas=3, pool=30).write(tmp_path)
    with pytest.raises(BadCollection, match=r"was begun with folder .*; files 241, now 3"):
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
        run._check_repeats("there", np.arange(800, dtype=np.int32))


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
    assert again.corrected()[0].argmax() == INDEX["老虎"]
    assert again.corrected()[1].max() == 0
    before = found[0].sure
    assert again.export() in (before, before - 1)
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


@pytest.mark.training
def test_a_network_learns_from_sure_groups_and_looks_at_the_others(tmp_path, monkeypatch):
    monkeypatch.setattr(learner, "LEAST_SURE", 20)
    monkeypatch.setattr(learner, "LEAST_LABELS", 3)
    monkeypatch.setattr(learner, "_STEPS", 2)
    monkeypatch.setattr(learner, "_AT_ONCE", 64)
    # Small, so that it is compiled in a moment.
    monkeypatch.setattr("models.networks.tiles._STAGES", ((8, 4, 1),))
    drawn = plan(pictures.TILES, captchas=40, pool=60)
    inside = slice(alter.MARGIN, -alter.MARGIN)
    tiles = np.stack([np.asarray(drawn.picture(n))[inside, inside] for n in range(60)])
    truth = np.eye(len(LABELS), dtype=np.float32)[drawn.labels]
    truth[40:] = 1 / len(LABELS)
    options = {"steps": 4, "seed": 1, "say": silent}
    first = learner.learn(tiles, truth, directory=tmp_path / "1", before=None, **options)
    assert first is not None
    # A tenth is never learned from.
    assert 34 <= first.learned_from <= 40
    silent_groups = ~(first.prior != 0).any(axis=1)
    assert silent_groups.sum() == first.learned_from
    assert not silent_groups[40:].any()
    assert np.allclose(np.exp(first.prior[40:]).sum(axis=1), 1, atol=1e-4)

    # Other groups are sure now: of those of before it still says nothing.
    truth = np.roll(truth, 20, axis=0)
    second = learner.learn(tiles, truth, directory=tmp_path / "2", before=tmp_path / "1", **options)
    assert second is not None
    heard = (second.prior != 0).any(axis=1)
    assert not heard[silent_groups].any()
    assert 2 <= heard.sum() <= 8


def test_too_few_sure_groups_teach_no_network(tmp_path):
    labels = np.full((50, len(LABELS)), 1 / len(LABELS), np.float32)
    tiles = np.zeros((50, 67, 67, 3), np.uint8)
    options = {"directory": tmp_path, "before": None, "steps": 5, "seed": 1, "say": silent}
    assert learner.learn(tiles, labels, **options) is None


def test_the_truth_is_written_beside_a_collection(folder, collection):
    with (folder / TRUTH).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == [collection.name(n) for n in range(240)]
    assert rows[5]["labels"].split() == [LABELS[label] for label in collection.tile_labels[5]]
    assert json.loads(json.dumps(rows[5]))["pictures"].split() == [
        str(each) for each in collection.shown[5]
    ]
