"""Training by blocks: what a block learns from, and that the chain of all is a tiles network."""

import os
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from models import store
from models.datasets.pictures import Pictures, with_mirror
from tests.support.data import stored
from tilefleet.kind import BUILTIN

if TYPE_CHECKING:
    import keras


def _teacher() -> "keras.Model":
    """A network of random weights that has the maps."""

    import keras

    layers = keras.layers
    pixels = keras.Input((67, 67, 3), dtype="uint8")
    x = layers.Rescaling(1 / 128, offset=-1.0)(pixels)
    x = layers.BatchNormalization()(layers.Conv2D(8, 3, strides=4, padding="same")(x))
    x = layers.BatchNormalization()(layers.Conv2D(12, 3, strides=2, padding="same")(x))
    y = layers.BatchNormalization()(layers.Conv2D(12, 3, padding="same")(layers.ReLU()(x)))
    x = layers.Add()([x, y])
    x = layers.BatchNormalization()(layers.Conv2D(20, 3, strides=2, padding="same")(x))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(
        pixels, layers.Dense(len(BUILTIN.labels), activation="softmax")(x), name="teacher"
    )


def _pictures(count: int) -> Pictures:
    pixels = np.random.default_rng(1).integers(0, 256, (count, 73, 73, 3), np.uint8)
    truth = np.zeros((count, len(BUILTIN.labels)), np.float32)
    return Pictures(tuple(map(with_mirror, pixels)), truth, np.full(count, -1))


def _drawings(count: int, *, label: int) -> Pictures:
    images = tuple(Image.new("RGBA", (67, 67), (200, 10, 10, 255)) for _ in range(count))
    truth = np.zeros((count, len(BUILTIN.labels)), np.float32)
    truth[:, label] = 1
    return Pictures(images, truth, np.full(count, label))


@pytest.fixture(scope="module")
def teachers(tmp_path_factory) -> list[store.Entry]:
    """Two that are stored."""

    import keras

    root, found = tmp_path_factory.mktemp("store"), []
    for seed in (1, 2):
        keras.utils.set_random_seed(seed)
        networks = {"words": stored.words(), "tiles": _teacher()}
        found.append(store.save(f"m{seed}", networks, training={}, evaluation={}, root=root))
    return found


def test_blocks_fit_each_other_and_the_chain_gives_probabilities():
    import keras

    from models.networks import chain

    keras.utils.set_random_seed(1)
    parts = chain.blocks()
    assert [part.name for part in parts] == [*chain.MAPS, chain.SCORES]
    for part, shape in zip(parts, chain.MAPS.values(), strict=False):
        assert part.output.shape[1:] == shape
    network = chain.assemble(parts)
    answers = np.asarray(network(np.zeros((2, 67, 67, 3), np.uint8)))
    assert answers.shape == (2, len(BUILTIN.labels))
    assert answers.sum(axis=1) == pytest.approx([1, 1], abs=1e-5)


def test_a_temperature_reaches_the_scores_inside_the_last_block():
    import keras

    from models.networks import chain
    from models.training.finish import calibration

    keras.utils.set_random_seed(1)
    network = chain.build()
    tiles = np.random.default_rng(2).integers(0, 256, (4, 67, 67, 3), np.uint8)
    before = np.log(np.asarray(network(tiles)))
    calibration.apply(network, 2.0)
    after = np.log(np.asarray(network(tiles)))
    spread = before - before.mean(axis=1, keepdims=True)
    assert after - after.mean(axis=1, keepdims=True) == pytest.approx(spread / 2, abs=1e-4)


def test_a_teacher_without_such_maps_has_no_milestones():
    import keras

    from models.networks import chain
    from models.training.teachers import views

    keras.utils.set_random_seed(1)
    found = views.milestones(_teacher())
    assert {name: tuple(map_.shape[1:]) for name, map_ in found.items()} == dict(chain.MAPS)
    pixels = keras.Input((67, 67, 3))
    assert views.milestones(keras.Model(pixels, keras.layers.Flatten()(pixels))) == {}


@pytest.mark.training
def test_training_by_blocks_learns_and_goes_on_with_the_views_that_are_there(
    teachers, tmp_path, monkeypatch
):
    import keras

    from models.networks import chain
    from models.training import blocks
    from models.training.teachers import views

    monkeypatch.setattr(views, "SHARD", 256)
    # Two shards are made in a process beside this one.
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    sources = views.Sources(_pictures(8))
    phases = blocks.Phases(shards=2, batch=32, steps=4, alone=3, whole=1, head=1, odds=1)
    said: list[str] = []
    arguments = {"teachers": teachers, "phases": phases, "say": said.append, "progress": False}
    network, made = blocks.train(sources, directory=tmp_path / "state", **arguments)
    assert network.output.shape == (None, len(BUILTIN.labels))
    assert made["mixture"]["views"] == 512
    assert made["teacher"] == ", ".join(teacher.identity for teacher in teachers)
    assert made["weights"] == [0.5, 0.5]
    assert list(made["last"]) == ["alone", "whole", "head", "odds"]
    network.save(tmp_path / "network.keras")
    keras.saving.load_model(tmp_path / "network.keras")
    shard = views.read(tmp_path / "state" / "views" / "00000")
    assert shard[views.PIXELS].shape == (256, 67, 67, 3)
    assert {name: shard[name].shape[1:] for name in chain.MAPS} == dict(chain.MAPS)

    said.clear()
    again, _ = blocks.train(sources, directory=tmp_path / "state", **arguments)
    assert not any("views" in line for line in said)
    pixels = np.asarray(shard[views.PIXELS][:4])
    assert np.asarray(again(pixels)) == pytest.approx(np.asarray(network(pixels)), abs=1e-5)


@pytest.mark.training
@pytest.mark.parametrize("plain", [0.0, 1.0], ids=["altered", "as they are"])
def test_the_teacher_answers_for_tiles_and_labels_for_drawn_ones(
    teachers, tmp_path, monkeypatch, plain
):
    from models.training.teachers import views

    monkeypatch.setattr(views, "SHARD", 256)
    teacher = teachers[0]
    (made,) = views.make(
        tmp_path / "views",
        views.Sources(_pictures(4), None, _drawings(3, label=7)),
        teacher=teacher,
        count=1,
        seed=1,
        mixture=views.Mixture(photographs=0.0, plain_tiles=plain, drawn=0.25),
        say=lambda line: None,
    )
    shard = views.read(made)
    answers = np.exp(np.asarray(shard[views.ANSWERS], np.float32))
    seen = np.asarray(store.load_network(teacher, "tiles")(np.asarray(shard[views.PIXELS])))
    assert answers[:-64] == pytest.approx(seen[:-64], abs=2e-3)
    assert (answers[-64:].argmax(axis=1) == 7).all()
    assert answers[-64:, 7] == pytest.approx(np.full(64, 0.98), abs=2e-2)


@pytest.mark.training
@pytest.mark.parametrize("weights", [(), (3.0, 1.0)], ids=["alike", "three to one"])
def test_several_teachers_teach_their_mean(teachers, tmp_path, monkeypatch, weights):
    from models.networks import chain
    from models.training import blocks
    from models.training.teachers import views

    monkeypatch.setattr(views, "SHARD", 256)
    pictures = _pictures(8)
    phases = blocks.Phases(shards=1, batch=32, steps=8, alone=1, whole=1, head=1, odds=1)
    seen = [
        np.asarray(store.load_network(teacher, "tiles")(pictures.tiles())) for teacher in teachers
    ]
    mean = np.average(seen, axis=0, weights=weights or None)
    learned: list[np.ndarray] = []

    def look(network, data, held_out, schedule, **given):
        _, targets = data[0]
        learned.append(np.exp(targets[chain.SCORES]))
        return {"loss": [0.0]}

    monkeypatch.setattr(blocks, "fit", look)
    blocks.train(
        views.Sources(pictures),
        teachers=teachers,
        directory=tmp_path / "state",
        phases=phases,
        weights=weights,
        mixture=views.Mixture(photographs=0.0, plain_tiles=1.0),
        say=lambda line: None,
    )
    for targets in learned:
        assert targets.sum(axis=1) == pytest.approx(np.ones(32), abs=1e-2)
        # Of each view's picture: nearer to the mean than to what either teacher says.
        apart = np.abs(targets[:, None] - np.stack([mean, *seen])[:, None]).mean(axis=3)
        picture = apart[0].argmin(axis=1)
        to_mean, *to_each = apart[:, np.arange(32), picture]
        assert (to_mean < np.minimum(*to_each)).all()


@pytest.mark.training
def test_a_further_teacher_answers_for_views_too_and_labels_for_drawn_ones(
    teachers, tmp_path, monkeypatch
):
    from models.training.teachers import opinions, views

    monkeypatch.setattr(views, "SHARD", 256)
    first, second = teachers
    mixture = views.Mixture(photographs=0.0, drawn=0.25)
    say: list[str] = []
    shards = views.make(
        tmp_path / "views",
        views.Sources(_pictures(4), None, _drawings(3, label=7)),
        teacher=first,
        count=1,
        seed=1,
        mixture=mixture,
        say=say.append,
    )
    name = opinions.add(shards, second, 1, drawn=64, say=say.append)
    shard = views.read(shards[0])
    answers = np.exp(np.asarray(shard[name], np.float32))
    seen = np.asarray(store.load_network(second, "tiles")(np.asarray(shard[views.PIXELS])))
    # In int8, so about.
    assert np.abs(answers[:-64] - seen[:-64]).mean() < np.abs(seen[:-64] - seen[:-64].mean()).mean()
    assert np.array_equal(shard[name][-64:], shard[views.ANSWERS][-64:])
    said = len(say)
    assert opinions.add(shards, second, 1, drawn=64, say=say.append) == name
    assert len(say) == said
