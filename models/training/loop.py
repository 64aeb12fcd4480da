"""The training loop that both networks share.

`fit` is stock Keras with the choices made: AdamW, a warm-up and then a cosine, averaged weights,
the best epoch kept, and a state on disk after every epoch, so that the same command run again
goes on where it stopped, or does nothing if it had finished.
"""

import csv
import logging
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from models.training import note
from models.training.schedule import Schedule
from tilefleet.errors import ModelError

log = logging.getLogger(__name__)

#: x and y of one step, arrays with the batch as first axis.
Batch = tuple[Any, Any]

_WARM_UP = 0.05
_LOG = "log.csv"
#: In the directory of a training: the weights it ended with.
BEST = "best.weights.h5"


class Steps(keras.utils.PyDataset):
    """Training data as a function of (epoch, step), whichever thread asks and when.

    `batch` makes the x and y of one step. `fit` sets `epoch`.
    """

    def __init__(self, batch: Callable[[int, int], Batch], *, steps: int) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        self.epoch = 0
        self._batch = batch
        self._steps = steps

    @classmethod
    def drawn(
        cls, batch: Callable[[np.random.Generator], Batch], *, steps: int, seed: int
    ) -> "Steps":
        """Each step's from a NumPy generator of its own, which depends on the seed, too."""
        return cls(
            lambda epoch, step: batch(np.random.default_rng([seed, epoch, step])), steps=steps
        )

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, step: int) -> Batch:
        return self._batch(self.epoch, step)


class _Clock(keras.callbacks.Callback):
    """Tells the data which epoch it is, also after a resumption, and the log how long it took."""

    def __init__(self, data: Steps) -> None:
        super().__init__()
        self._data = data
        self._begun = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._data.epoch = epoch
        self._begun = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if logs is not None:
            logs["seconds"] = round(time.monotonic() - self._begun, 1)


class _Best(keras.callbacks.Callback):
    """Keeps the weights of the best epoch, or of the last: on disk whole, whenever this ends."""

    def __init__(
        self, path: Path, monitor: str, mode: str, so_far: float | None, only_better: bool
    ) -> None:
        super().__init__()
        self._path, self._monitor, self._only_better = path, monitor, only_better
        self._sign = -1 if mode == "max" else 1
        self._least = float("inf") if so_far is None else self._sign * so_far

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        value = self._sign * (logs or {}).get(self._monitor, float("nan"))
        if value < self._least or not self._only_better:
            self._least = value
            draft = self._path.with_name(f"draft.{self._path.name}")
            self.model.save_weights(draft)
            draft.replace(self._path)


def fit(
    network: keras.Model,
    data: Steps,
    held_out: Any,
    schedule: Schedule,
    *,
    directory: Path,
    loss: Any,
    metrics: Any = (),
    monitor: str = "val_loss",
    xla: bool = False,
    progress: bool | None = None,
) -> dict[str, list[float]]:
    """Train `network` in place; it ends with the averaged weights of its best epoch.

    `data` gives the batches of an epoch of the `schedule`; `held_out` is an (x, y) pair or a
    PyDataset, or None, and then the last epoch counts as the best. `monitor` is better when
    smaller, unless "acc" is in its name. `xla`: whether TensorFlow compiles the step with it, which
    saves time on a CPU for some networks only. `progress`: a bar (True), a line per epoch (False),
    or whichever fits standard output (None).

    `directory` gets state/, best.weights.h5, log.csv and curves.png; it belongs to one training,
    and ModelError is raised if it was begun with other parameters. Returns what was logged,
    metric → a value per epoch, over all runs of the command; "seconds" is one of them.
    """
    if len(data) != schedule.steps_per_epoch:
        raise ModelError(
            f"the data has {len(data)} steps in an epoch, not {schedule.steps_per_epoch}"
        )
    directory.mkdir(parents=True, exist_ok=True)
    _claim(directory, network, schedule)
    best = directory / BEST
    mode = "max" if "acc" in monitor else "min"
    waits = schedule.patience if held_out is not None else None
    if len(_history(directory).get("loss", ())) >= schedule.epochs or _gave_up(
        _history(directory).get(monitor, []), mode, waits
    ):
        # Keras would ask for a first batch even so, and that may take minutes to make.
        network.load_weights(best)
        return _history(directory)
    keras.utils.set_random_seed(schedule.seed)
    network.compile(
        optimizer=_optimizer(schedule),
        loss=loss,
        metrics=metrics or None,
        jit_compile=xla if keras.backend.backend() == "tensorflow" else "auto",
    )
    # Else the step is traced twice: once more when its first trace has made these.
    network.optimizer.build(network.trainable_variables)
    # The order matters: the state holds the raw weights, the best epoch the averaged ones.
    callbacks: list[keras.callbacks.Callback] = [
        _Clock(data),
        keras.callbacks.BackupAndRestore(
            str(directory / "state"), double_checkpoint=True, delete_checkpoint=False
        ),
        keras.callbacks.SwapEMAWeights(swap_on_epoch=True),
        _Best(best, monitor, mode, _best_so_far(directory, monitor, mode), held_out is not None),
        keras.callbacks.CSVLogger(str(directory / _LOG), append=True),
        keras.callbacks.TerminateOnNaN(),
    ]
    if waits is not None:
        callbacks.append(keras.callbacks.EarlyStopping(monitor=monitor, mode=mode, patience=waits))
    bar = sys.stdout.isatty() if progress is None else progress
    network.fit(
        data,
        validation_data=held_out,
        epochs=schedule.epochs,
        callbacks=callbacks,
        verbose=1 if bar else 2,
        shuffle=False,
    )
    network.load_weights(best)
    history = _history(directory)
    plot(history, directory / "curves.png")
    return history


def _optimizer(schedule: Schedule) -> keras.optimizers.Optimizer:
    warm_up = max(1, round(_WARM_UP * schedule.steps))
    optimizer = keras.optimizers.AdamW(
        keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=schedule.peak_learning_rate / 100,
            warmup_target=schedule.peak_learning_rate,
            warmup_steps=warm_up,
            decay_steps=max(1, schedule.steps - warm_up),
            alpha=1e-3,
        ),
        weight_decay=schedule.weight_decay,
        global_clipnorm=1.0,
        use_ema=True,
        ema_momentum=schedule.average,
    )
    # No weight decay of biases and of what normalises.
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _claim(directory: Path, network: keras.Model, schedule: Schedule) -> None:
    """Note what the directory is for, or check it."""
    parameters = {
        "parameters": network.count_params(),
        "epochs": schedule.epochs,
        "steps_per_epoch": schedule.steps_per_epoch,
        "peak_learning_rate": schedule.peak_learning_rate,
        "weight_decay": schedule.weight_decay,
        "average": schedule.average,
        "seed": schedule.seed,
    }
    if note.claim(directory / "training.json", parameters, advice="use another folder"):
        log.info("going on in %s", directory)


def _history(directory: Path) -> dict[str, list[float]]:
    """What log.csv says; of an epoch that was begun twice, the later."""
    path = directory / _LOG
    if not path.exists():
        return {}
    with path.open(newline="") as file:
        rows = {int(row["epoch"]): row for row in csv.DictReader(file)}
    return {
        name: [float(rows[epoch][name]) for epoch in sorted(rows)]
        for name in next(iter(rows.values()), {})
        # CSVLogger writes NA for what there is not, such as held-out data.
        if name != "epoch" and all(row[name] not in (None, "", "NA") for row in rows.values())
    }


def _best_so_far(directory: Path, monitor: str, mode: str) -> float | None:
    values = _history(directory).get(monitor)
    if not values:
        return None
    return max(values) if mode == "max" else min(values)


def _gave_up(values: Sequence[float], mode: str, patience: int | None) -> bool:
    """Whether an earlier run ended because so many epochs brought nothing better."""
    if patience is None or not values:
        return False
    best = (max if mode == "max" else min)(values)
    return len(values) - 1 - list(values).index(best) >= patience


def plot(history: dict[str, list[float]], path: Path) -> None:
    """Draw each metric, in training and on held-out data, over the epochs."""
    from matplotlib.figure import Figure

    names = [name for name in history if not name.startswith("val_") and name != "seconds"]
    if not names:
        return
    figure = Figure(figsize=(5 * len(names), 3.5), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        axes.plot(history[name], label="training")
        if held_out := history.get(f"val_{name}"):
            axes.plot(held_out, label="held out")
        axes.set_title(name)
        axes.set_xlabel("epoch")
        axes.legend()
    figure.savefig(path)
