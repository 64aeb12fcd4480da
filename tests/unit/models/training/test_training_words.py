"""Training, for a few steps: it runs from nothing to a stored model, and goes on where it was."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from models.drawing.strips import UNKNOWN
from models.store import find
from tests.support.data import learnable
from tilefleet.errors import BadTiles, ModelError
from tilefleet.kind import BUILTIN


@pytest.fixture(scope="module", autouse=True)
def backend():
    from models.runtimes.installed import choose_keras_backend

    choose_keras_backend()


def test_targets_are_smoothed_and_an_unknown_word_is_any_of_the_eighty():
    from models.training.words import targets

    wanted = targets(np.array([[3, BUILTIN.none], [UNKNOWN, 7]], np.int16))
    assert wanted.shape == (2, 2, BUILTIN.none + 1)
    np.testing.assert_allclose(wanted.sum(axis=-1), 1, atol=1e-5)
    assert wanted[0, 0].argmax() == 3
    assert wanted[0, 1].argmax() == BUILTIN.none
    assert wanted[1, 0].max() == pytest.approx(1 / len(BUILTIN.labels))
    assert wanted[1, 0, BUILTIN.none] == 0


@pytest.mark.training
def test_a_words_network_trains_and_goes_on_where_it_stopped(tmp_path):
    from models.training.words import ROUNDS, Recipe, train

    def run(epochs):
        return train(
            directory=tmp_path,
            rounds=[replace(each, epochs=epochs, steps_per_epoch=2) for each in ROUNDS[:2]],
            recipe=Recipe(strips=96, held_out=32, batch=32),
            progress=False,
        )

    network, made = run(2)
    assert network(np.zeros((1, 28, 176, 3), np.uint8)).shape == (1, 2, BUILTIN.none + 1)
    assert made["headers"]["drawn for each round"] == 96
    assert len(made["minutes"]) == 2
    before = (tmp_path / "round2/log.csv").read_text()
    again, _ = run(2)
    assert (tmp_path / "round2/log.csv").read_text() == before
    for one, other in zip(network.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ModelError, match="was begun with epochs 2 and not 3"):
        run(3)


@pytest.mark.training
def test_a_pair_is_trained_measured_and_stored(data_folder, tmp_path, monkeypatch):
    from models.training import pair, words
    from models.training.finish import precision
    from models.training.options import Options
    from models.training.pair import train_pair

    # A temperature is found on as few; drawing thousands takes longer than all the training here.
    monkeypatch.setattr(pair, "_CALIBRATED_ON", 100)
    monkeypatch.setattr(precision, "_SAMPLES", 100)
    monkeypatch.setattr(words, "Recipe", partial(words.Recipe, held_out=100))
    # Several rounds follow each other in the test above.
    monkeypatch.setattr(words, "ROUNDS", words.ROUNDS[:1])
    data = learnable.some_of(data_folder, tmp_path / "data")
    said = []
    entry = train_pair(
        data,
        Options(headers=200, epochs=1, steps=1),
        fonts=[],
        teachers=(),
        name="tiny",
        root=tmp_path / "store",
        directory=tmp_path / "state",
        say=said.append,
    )
    assert find("tiny", root=tmp_path / "store").identity == entry.identity
    assert entry.manifest.evaluation["captchas"]["captchas"] == 50
    assert entry.manifest.training["words"]["from"] == "random initialisation"
    with pytest.raises(ModelError, match="exists"):
        train_pair(
            data,
            Options(),
            fonts=[],
            teachers=(),
            name="tiny",
            root=tmp_path / "store",
            directory=tmp_path / "state",
        )

    # In which precision it is stored is found as above.
    monkeypatch.setattr(precision, "choose", lambda entry, data, *, say: entry)
    half = train_pair(
        data,
        Options(only="words", headers=200, epochs=1, steps=1),
        fonts=[],
        teachers=(),
        name="half",
        root=tmp_path / "store",
        # Where these are trained already.
        directory=tmp_path / "state",
        say=said.append,
    )
    builtin = find("builtin", root=tmp_path / "store")
    assert half.manifest.training["tiles"] == builtin.manifest.training["tiles"]
    assert half.manifest.training["words"] == entry.manifest.training["words"]


def test_a_data_folder_without_tiles_is_named_before_anything_is_trained(tmp_path):
    from models.training.options import Options
    from models.training.pair import train_pair

    with pytest.raises(BadTiles, match=r"neither tiles/ nor tiles\.npz"):
        train_pair(
            tmp_path,
            Options(),
            fonts=[],
            teachers=(),
            name="x",
            root=tmp_path,
            directory=tmp_path / "state",
        )
