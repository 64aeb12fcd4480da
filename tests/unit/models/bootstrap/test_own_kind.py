"""Bootstrapping captchas of another kind: other words, other numbers of tiles and of words."""

import csv
import json

import numpy as np
import pytest

from models.bootstrap import dataset, sheets
from models.bootstrap.arrays import write_array
from models.bootstrap.dataset import Dataset
from models.bootstrap.estimation import cooccurrence
from models.bootstrap.estimation.beliefs import MOST, Rates, Sightings
from models.bootstrap.estimation.counts import factors_of_one
from models.datasets.counted import counted
from models.datasets.kinds import kind_of
from tests.support.data import own as folder
from tests.support.data.own import KIND

GROUPS, CAPTCHAS = 40, 600


@pytest.fixture(scope="module")
def seen():
    """Captchas of six tiles, and the label of each picture."""
    random = np.random.default_rng(7)
    labels = random.integers(0, len(KIND.labels), GROUPS)
    groups = random.integers(0, GROUPS, (CAPTCHAS, KIND.layout.count)).astype(np.int32)
    words = np.full((CAPTCHAS, 2), KIND.none, np.int16)
    words[:, 0] = labels[groups[np.arange(CAPTCHAS), random.integers(0, 6, CAPTCHAS)]]
    return Sightings(groups, words, np.ones((CAPTCHAS, 2)), KIND), labels


def test_labels_are_estimated_of_any_words_and_tiles(seen):
    sightings, labels = seen
    beliefs = cooccurrence.fit(sightings, GROUPS, held_out=sightings.only(np.arange(600) < 60))
    assert beliefs.labels.shape == (GROUPS, len(KIND.labels))
    assert (beliefs.labels.argmax(axis=1) == labels).mean() > 0.8


def test_rates_are_those_of_the_kind():
    rates = Rates.of(KIND)
    assert (rates.tiles, rates.labels) == (6, 4)
    assert sum(rates.tiles_per_word) == pytest.approx(1)
    assert np.isfinite(factors_of_one(rates)).all()
    small = Rates(tiles_per_word=(0.5, 0.5, 1e-6, 1e-6), tiles=2, labels=4)
    assert factors_of_one(small)[3:].sum() == 0
    assert len(small.tiles_per_word) == MOST


def test_a_dataset_has_its_kind_and_is_one_to_train_on(seen, tmp_path):
    sightings, labels = seen
    random = np.random.default_rng(8)
    pictures = np.stack([np.asarray(folder.tile(KIND.labels[label], random)) for label in labels])
    write_array(tmp_path / dataset.PICTURES, pictures)
    believed = np.eye(len(KIND.labels), dtype=np.float32)[labels]
    files = tuple(f"{number:03}.png" for number in range(CAPTCHAS))
    dataset.write(
        tmp_path, believed, pictures, files=files, groups=sightings.groups, unreadable=(), kind=KIND
    )
    opened = Dataset.open(tmp_path)
    assert opened.kind == kind_of(tmp_path) == KIND
    first = int(sightings.groups[0, 5])
    with (tmp_path / dataset.TABLE).open(newline="") as file:
        row = list(csv.DictReader(file))[5]
    assert (row["file"], row["tile"]) == ("000.png", "6")
    assert row["label"] == KIND.labels[labels[first]]
    opened.correct(first, "grey")
    assert Dataset.open(tmp_path).corrected()[first].argmax() == KIND.index["grey"]
    assert opened.export() == GROUPS
    learned = counted(tmp_path / dataset.TILES, KIND)
    assert learned.tiles().shape == (GROUPS, 40, 30, 3)
    assert sheets.write(tmp_path / "sheets", pictures, believed, KIND) == len(set(labels.tolist()))


@pytest.mark.training
def test_a_header_with_one_word_at_most_says_so_surely(tmp_path):
    from models import store
    from models.bootstrap.scan import scan
    from models.bootstrap.signatures import find
    from models.networks import tiles, words

    entry = store.save(
        "mine", {"words": words.build(KIND), "tiles": tiles.build(kind=KIND)}, {}, {},
        kind=KIND, root=tmp_path / "store",
    )  # fmt: skip
    data = folder.write(tmp_path / "data", captchas=6, tiles=0)
    (data / "layout.png").write_bytes(b"the layout, drawn")
    found = scan(data, tmp_path / "scan", words=entry, signature=find("colour"))
    assert len(found) == 6
    assert found.unreadable == ()
    assert found.words[:, 1].tolist() == [KIND.none] * 6
    assert found.confidence[:, 1].tolist() == [1.0] * 6
    assert found.signatures.shape[0] == 36
    assert json.loads((entry.folder / "manifest.json").read_text())["kind"] == KIND.encode()
