"""Training the tiles network: its pictures, its views, its targets, and a few real steps."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models import store
from models.datasets.tiles import cut, drawn, labelled
from models.training import augment
from tests.support.data import stored
from tilefleet.errors import BadTiles
from tilefleet.kind import BUILTIN


class Teaching:
    """Says the same of every picture."""

    identity = "same@00000000"

    def __call__(self, tiles: np.ndarray) -> tuple[np.ndarray, dict[int, np.ndarray]]:
        return np.full((len(tiles), len(BUILTIN.labels)), 1 / len(BUILTIN.labels), np.float32), {}


@pytest.fixture
def drawn_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "drawn"
    folder.mkdir()
    Image.new("RGBA", (200, 200), (200, 10, 10, 128)).save(folder / "79_01.png")
    return folder


def test_a_view_without_change_would_be_the_tile(monkeypatch: pytest.MonkeyPatch) -> None:
    class Still:
        def normal(self, mean: float, spread: float, size: int | None = None) -> object:
            return np.zeros(size) if size else 0.0

        def choice(self, choices: tuple[float, ...]) -> float:
            return 1.0

    pixels = np.random.default_rng(1).integers(0, 256, (105, 105, 3), np.uint8)
    view = augment.view(Image.fromarray(pixels), Still())
    np.testing.assert_array_equal(np.asarray(view), pixels[19:86, 19:86])


def test_mixing_tells_how_much_of_each_picture_is_left() -> None:
    tiles = np.stack([np.full((67, 67, 3), value, np.float32) for value in range(64)])
    mixed, others, share = augment.mix(tiles, np.random.default_rng(2))
    assert 0.2 < (share < 1).mean() < 0.8
    expected = share * np.arange(64) + (1 - share) * others
    np.testing.assert_allclose(mixed.mean(axis=(1, 2, 3)), expected, atol=1e-2)


def test_a_batch_is_the_same_for_the_same_seed_and_its_targets_sum_to_one(
    labelled_folder: Path, drawn_folder: Path, captcha_folder: Path
) -> None:
    from models.training.teachers.maps import ANSWER
    from models.training.tiles import Recipe, Views

    views = Views(
        Recipe(batch=32),
        labelled=labelled(labelled_folder),
        cut=cut(captcha_folder),
        drawn=drawn(drawn_folder),
        teacher=Teaching(),
    )
    pixels, targets = views(np.random.default_rng(3))
    again, _ = views(np.random.default_rng(3))
    assert pixels.shape == (32, 67, 67, 3)
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, again)
    answers = targets[ANSWER]
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-4)
    assert answers[-1].argmax() == 79
    assert answers[-1].max() > 0.9


def test_the_loss_is_nothing_for_the_same_and_something_for_another_answer() -> None:
    from models.training.tiles import softened

    random = np.random.default_rng(7)
    target, answer = random.dirichlet(np.ones(80), (2, 5)).astype(np.float32)
    np.testing.assert_allclose(softened(target, target), 0, atol=1e-5)
    assert np.asarray(softened(target, answer)).min() > 0.1


def test_the_network_keeps_the_contract() -> None:
    from models.networks import tiles as network_of_tiles

    network = network_of_tiles.build()
    tiles = np.random.default_rng(8).integers(0, 256, (3, 67, 67, 3), np.uint8)
    answer = np.asarray(network(tiles, training=False))
    assert network.input_shape == (None, 67, 67, 3)
    assert network.inputs[0].dtype == "uint8"
    assert answer.shape == (3, 80)
    assert answer.dtype == np.float32
    np.testing.assert_allclose(answer.sum(axis=1), 1, atol=1e-5)


def test_the_network_converts_to_litert_and_answers_the_same() -> None:
    import keras

    from models.networks import tiles as network_of_tiles

    pytest.importorskip("tensorflow")
    from ai_edge_litert.interpreter import Interpreter

    from models.runtimes.convert import to_litert

    keras.utils.set_random_seed(1)
    network = network_of_tiles.build()
    tiles = np.random.default_rng(8).integers(0, 256, (8, 67, 67, 3), np.uint8)
    interpreter = Interpreter(model_content=to_litert(network, 8), num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], tiles)
    interpreter.invoke()
    answer = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_allclose(answer, network(tiles, training=False), atol=1e-4)


def test_the_maps_of_a_network_are_the_last_or_the_narrowest_of_a_side() -> None:
    from models.networks import tiles as network_of_tiles
    from models.training.teachers import maps

    network = network_of_tiles.build()
    own = maps.last(network, network_of_tiles.SIDES)
    assert {side: tensor.shape[-1] for side, tensor in own.items()} == {17: 32, 9: 64, 5: 256}
    narrow = maps.narrowest(network, (9, 5, 3))
    assert {side: tensor.shape[-1] for side, tensor in narrow.items()} == {9: 32, 5: 64}


def test_a_network_in_training_guesses_maps_beside_the_same_answer() -> None:
    from models.networks import tiles as network_of_tiles
    from models.training.teachers import maps
    from models.training.teachers.maps import ANSWER

    network = network_of_tiles.build()
    learner = maps.guessing(network, {17: 8, 5: 20})
    tiles = np.random.default_rng(8).integers(0, 256, (2, 67, 67, 3), np.uint8)
    seen = learner(tiles, training=False)
    assert {name: tuple(each.shape) for name, each in seen.items()} == {
        ANSWER: (2, 80),
        "map17": (2, 17, 17, 8),
        "map5": (2, 5, 5, 20),
    }
    np.testing.assert_allclose(seen[ANSWER], network(tiles, training=False), atol=1e-6)


@pytest.fixture(scope="module")
def stored_teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a store with one model, `teaching`, of random weights."""

    import keras

    from models.networks import tiles as network_of_tiles

    root = tmp_path_factory.mktemp("store")
    keras.utils.set_random_seed(5)
    store.save(
        "teaching",
        {"words": stored.words(), "tiles": network_of_tiles.build()},
        training={},
        evaluation={},
        root=root,
    )
    return root


def test_a_teacher_shows_maps_that_vary_by_one_and_answers_as_its_network(
    stored_teacher: Path,
) -> None:
    from models.training.teachers.teacher import Teacher

    entry = store.find("teaching", root=stored_teacher)
    teacher = Teacher(entry, sides=(9, 5))
    tiles = np.random.default_rng(8).integers(0, 256, (11, 67, 67, 3), np.uint8)
    teacher.measure(tiles)
    seen, shown = teacher(tiles)
    assert {side: each.shape for side, each in shown.items()} == {
        9: (11, 9, 9, 32),
        5: (11, 5, 5, 64),
    }
    spread = shown[9].std(axis=(0, 1, 2))
    np.testing.assert_allclose(spread[spread > 0.5], 1, atol=1e-2)
    expected = store.load_network(entry, "tiles")(tiles, training=False)
    np.testing.assert_allclose(seen, expected, atol=1e-4)


@pytest.mark.training
def test_a_network_learns_from_a_teachers_answers_and_maps(
    labelled_folder: Path, captcha_folder: Path, stored_teacher: Path, tmp_path: Path
) -> None:
    from models.training.tiles import SCHEDULE, Recipe, train

    network, made = train(
        labelled(labelled_folder),
        cut(captcha_folder),
        teacher="teaching",
        root=stored_teacher,
        directory=tmp_path / "run",
        schedule=replace(SCHEDULE, epochs=1, steps_per_epoch=2),
        recipe=Recipe(batch=8),
        progress=False,
    )
    assert network.output_shape == (None, 80)
    assert made["teacher"].startswith("teaching@")
    assert "map9_loss" in made["last"]


def test_pictures_without_numbers_cannot_be_held_out(tmp_path: Path) -> None:
    from models.training.tiles import train

    images = np.zeros((2, 67, 67, 3), np.uint8)
    np.savez(tmp_path / "seen.npz", images=images, labels=np.eye(80)[:2])
    with pytest.raises(BadTiles, match="0 of 2 labelled pictures are numbered 09 or 10"):
        train(labelled(tmp_path / "seen.npz"), directory=tmp_path / "run", hold_out=True)


@pytest.mark.training
def test_training_goes_from_folders_to_a_network_and_says_how(
    labelled_folder: Path, drawn_folder: Path, tmp_path: Path
) -> None:
    from models.training.tiles import SCHEDULE, Recipe, train

    network, made = train(
        labelled(labelled_folder),
        drawn=drawn_folder,
        directory=tmp_path / "run",
        schedule=replace(SCHEDULE, epochs=1, steps_per_epoch=2),
        hold_out=True,
        recipe=Recipe(batch=8),
        progress=False,
    )
    assert network.output_shape == (None, 80)
    assert made["pictures"] == {"labelled": 4, "cut from captchas": 0, "drawn": 1}
    assert made["from"] == "random initialisation"
    assert "val_acc" in made["last"]
