"""The training loop: it goes on where it was, and ends with its best averaged weights."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from models.training.schedule import Schedule
from tilefleet.errors import ModelError

if TYPE_CHECKING:
    import keras

    from models.training.loop import Steps


class Interrupted(Exception):
    pass


def batch(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    x = random.normal(size=(16, 4)).astype(np.float32)
    return x, x.sum(axis=1, keepdims=True)


def build() -> "keras.Model":
    import keras

    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])


SCHEDULE = Schedule(epochs=4, steps_per_epoch=8, peak_learning_rate=0.1, average=0.9, seed=3)


def train(
    network: "keras.Model", directory: Path, *, data: "Steps | None" = None, **changes: float
) -> dict[str, list[float]]:
    from models.training.loop import Steps, fit

    return fit(
        network,
        data or Steps.drawn(batch, steps=8, seed=3),
        batch(np.random.default_rng(9)),
        replace(SCHEDULE, **changes),
        directory=directory,
        loss="mse",
        progress=False,
    )


def test_a_step_depends_on_seed_epoch_and_index_only() -> None:
    from models.training.loop import Steps

    data = Steps.drawn(batch, steps=8, seed=3)
    first = data[5][0]
    data.epoch = 1
    assert not np.array_equal(first, data[5][0])
    data.epoch = 0
    np.testing.assert_array_equal(first, data[5][0])


def test_training_ends_with_the_best_averaged_weights(tmp_path: Path) -> None:
    network = build()
    history = train(network, tmp_path)
    assert len(history["loss"]) == 4
    x, y = batch(np.random.default_rng(9))
    loss = float(np.mean((network(x) - y) ** 2))
    assert loss == pytest.approx(min(history["val_loss"]), rel=1e-4)
    assert (tmp_path / "curves.png").exists()


# CSVLogger leaves its file open when an epoch fails.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupted_training_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    from models.training.loop import Steps

    whole = build()
    train(whole, tmp_path / "whole")

    def failing(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        if data.epoch == 2:
            raise Interrupted
        return batch(random)

    data = Steps.drawn(failing, steps=8, seed=3)
    with pytest.raises(Exception, match="Interrupted"):
        train(build(), tmp_path / "parts", data=data)
    again = build()
    history = train(again, tmp_path / "parts")
    assert len(history["loss"]) == 4
    for expected, actual in zip(whole.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_a_finished_training_run_again_changes_nothing(tmp_path: Path) -> None:
    network = build()
    train(network, tmp_path)
    again = build()
    history = train(again, tmp_path)
    assert len(history["loss"]) == 4
    for expected, actual in zip(network.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_a_training_that_gets_no_better_ends_and_stays_ended(tmp_path: Path) -> None:
    still = {"epochs": 20, "peak_learning_rate": 1e-12, "patience": 2}
    for _ in range(2):
        history = train(build(), tmp_path, **still)
        assert len(history["loss"]) == 3


def test_without_held_out_data_the_last_epoch_counts(tmp_path: Path) -> None:
    from models.training.loop import Steps, fit

    data = Steps.drawn(batch, steps=8, seed=3)
    schedule = Schedule(epochs=2, steps_per_epoch=8, peak_learning_rate=0.1, seed=3)
    how = {"directory": tmp_path, "loss": "mse", "progress": False}
    history = fit(build(), data, None, schedule, **how)
    assert len(history["loss"]) == len(history["seconds"]) == 2
    assert "val_loss" not in history


def test_a_directory_begun_with_other_parameters_is_refused(tmp_path: Path) -> None:
    train(build(), tmp_path)
    with pytest.raises(ModelError, match="epochs 4 and not 5: use another folder"):
        train(build(), tmp_path, epochs=5)
