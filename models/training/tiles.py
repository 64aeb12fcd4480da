"""Training the tiles network: ``tilefleet models train``.

There are few pictures, so the network mostly learns from a teacher: a stored tiles network that
says what it sees in each view, however moved, recoloured or mixed with another, and the new
network learns to see the same (Beyer et al., "Knowledge distillation: a good teacher is patient
and consistent", 2022), on the way to the answer too (`training.teachers.maps`). Where the true
label is known it counts for a share of the target.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray
from PIL import Image

from models import store
from models.datasets import tiles
from models.datasets.pictures import Pictures
from models.networks import tiles as network_of_tiles
from models.training import augment
from models.training.loop import Steps, fit
from models.training.schedule import Schedule
from models.training.teachers.maps import ANSWER, Maps, guess, guessing
from models.training.teachers.teacher import Teacher
from models.training.transfer import Begun
from tilefleet.errors import BadTiles
from tilefleet.kind import BUILTIN, Kind

_SMOOTHING = 0.02
#: See `divergence`.
_TEMPERATURE = 3.0
_LEAST = 1e-6
#: The share of all steps whose weights are averaged, about.
_AVERAGED = 0.02
#: Steps from which on XLA saves more time than compiling takes.
_WORTH_COMPILING = 500
#: Pictures on which the spread of the teacher's maps is measured.
_MEASURED = 400

#: From random weights, and from another network's.
SCHEDULE = Schedule(epochs=100, steps_per_epoch=200, peak_learning_rate=5e-3)
GOING_ON = replace(SCHEDULE, peak_learning_rate=1e-3)
#: Of either, by the short plan, for some ten words.
QUICK: Mapping[str, int] = {"epochs": 8, "steps_per_epoch": 60}

#: The targets of a batch, by the names of the outputs.
Targets = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a batch is made of."""

    batch: int = 64
    #: Shares of a batch: labelled tiles, and drawn ones; the rest are cut from captchas.
    labelled: float = 0.55
    drawn: float = 0.06
    #: How much of the target a known label is at most, where there is a teacher for the rest.
    truth: float = 0.4
    #: Share of the views that show a part of a picture only.
    zoomed: float = 0.15
    #: Whether a mirrored picture shows the same.
    mirrored: bool = True


@dataclass(frozen=True, slots=True)
class Views:
    """Makes batches: uint8 (batch, h, w, 3), and what should be seen in them, float32:
    (batch, labels), and the teacher's maps."""

    recipe: Recipe
    labelled: Pictures
    cut: Pictures | None = None
    drawn: Pictures | None = None
    teacher: Teacher | None = None

    def __call__(self, random: np.random.Generator) -> tuple[NDArray[np.uint8], Targets]:
        images, truth, is_drawn = self._choose(random)
        views = np.stack([np.asarray(image) for image in images]).astype(np.float32)
        views = augment.recolour(views, random)
        # Drawn tiles come last and are not mixed: the teacher has not seen their like.
        real = len(views) - is_drawn
        views[:real], others, share = augment.mix(views[:real], random)
        pixels = augment.finish(views, random)
        share = share[:, None]
        truth[:real] = share * truth[:real] + (1 - share) * truth[others]
        rest = 1 - truth.sum(axis=1, keepdims=True)
        seen = np.full_like(truth, 1 / truth.shape[1])
        maps: Maps = {}
        if self.teacher is not None:
            answers, maps = self.teacher(pixels)
            seen[:real] = answers[:real]
        return pixels, _targets(truth + rest * seen, maps)

    def _choose(
        self, random: np.random.Generator
    ) -> tuple[list[Image.Image], NDArray[np.float32], int]:
        """Views of some pictures, what is known of them, and how many were drawn."""
        batch = self.recipe.batch
        is_drawn = round(batch * self.recipe.drawn) if self.drawn else 0
        has_label = round(batch * self.recipe.labelled) if self.cut else batch - is_drawn
        believed = self.recipe.truth if self.teacher else 1 - _SMOOTHING
        images: list[Image.Image] = []
        truth: list[NDArray[np.float32]] = []
        for source, count, trust in (
            (self.labelled, has_label, believed),
            (self.cut, batch - has_label - is_drawn, 1.0),
            (self.drawn, is_drawn, 1 - _SMOOTHING),
        ):
            if source is None:
                continue
            chosen = random.integers(0, len(source), count)
            truth.append(source.truth[chosen] * np.float32(trust))
            for index in chosen:
                image = source.images[index]
                if image.mode == "RGBA":
                    image = augment.on_ground(image, random)
                view = augment.view(
                    image,
                    random,
                    zoomed=self.recipe.zoomed,
                    size=source.size,
                    mirrored=self.recipe.mirrored,
                )
                images.append(view)
        return images, np.concatenate(truth), is_drawn


def _targets(answers: NDArray[np.float32], maps: Maps) -> Targets:
    return {ANSWER: answers, **{guess(side): shown for side, shown in maps.items()}}


def softened(target: Any, answer: Any) -> Any:
    """`divergence` of (batch, labels) probabilities."""
    return divergence(ops.log(ops.maximum(target, _LEAST)), ops.log(ops.maximum(answer, _LEAST)))


def divergence(target: Any, scores: Any) -> Any:
    """Kullback-Leibler divergence of (batch, labels) scores from logarithms of probabilities, as
    they are and with the odds softened, half and half.

    What a teacher is sure of teaches one number a picture; the odds among all that it rules out
    teach eighty (Hinton et al., "Distilling the knowledge in a neural network", 2015).
    """
    loss = 0.0
    for temperature in (1.0, _TEMPERATURE):
        wanted = ops.log_softmax(target / temperature)
        given = ops.log_softmax(scores / temperature)
        loss += temperature**2 * ops.sum(ops.exp(wanted) * (wanted - given), axis=-1)
    return loss / 2


def plain_divergence(target: Any, scores: Any) -> Any:
    """The same with the odds as they are alone."""
    wanted = ops.log_softmax(target)
    return ops.sum(ops.exp(wanted) * (wanted - ops.log_softmax(scores)), axis=-1)


def _measured(kept: Pictures, taught: Teacher | None) -> tuple[NDArray[np.uint8], Targets]:
    """Held-out pictures, their labels, and what the teacher shows of them."""
    tiles = kept.tiles()
    maps: Maps = taught(tiles)[1] if taught else {}
    return tiles, _targets(np.eye(kept.truth.shape[1], dtype=np.float32)[kept.labels], maps)


def _accuracy(learner: keras.Model) -> str:
    """What Keras calls the accuracy of the answer on held-out data."""
    return f"val_{ANSWER}_acc" if len(learner.outputs) > 1 else "val_acc"


def train(
    known: Pictures,
    cut: Pictures | None = None,
    *,
    directory: Path,
    drawn: Path | None = None,
    teacher: str | None = None,
    root: Path | None = None,
    schedule: Schedule = SCHEDULE,
    hold_out: bool = False,
    recipe: Recipe | None = None,
    progress: bool | None = None,
    kind: Kind = BUILTIN,
    begun: Begun | None = None,
) -> tuple[keras.Model, dict[str, Any]]:
    """Train a tiles network from random weights, or from what `begun` has; run again with the same
    arguments, it goes on.

    `known`: with labels; `cut`: without any (needs a teacher); `drawn`: folder of LL_KK.png;
    `teacher`: name of a model in the store at `root`; `directory`: where the state is kept; how
    much weights are averaged follows from the length of the `schedule`. With `hold_out`, labelled
    pictures 09 and 10 of each class are kept out, and the epoch that is best on them is kept.

    Returns the network and how it was made, for the manifest. Raises BadTiles and ModelError.
    """
    recipe = recipe or Recipe()
    held = np.isin(known.numbers, (9, 10))
    if hold_out and not 0 < held.sum() < len(held):
        raise BadTiles(
            f"{held.sum()} of {len(held)} labelled pictures are numbered 09 or 10; "
            "some, and not all, are needed to hold out"
        )
    taught = None
    if teacher:
        taught = Teacher(store.find(teacher, root=root), sides=network_of_tiles.SIDES)
        taught.measure(known.tiles()[:_MEASURED])
    views = Views(
        recipe,
        labelled=known.only(~held) if hold_out else known,
        cut=cut if taught else None,
        drawn=tiles.drawn(drawn) if drawn else None,
        teacher=taught,
    )
    kept = known.only(held) if hold_out else None
    average = 1 - 1 / max(20, _AVERAGED * schedule.steps)
    keras.utils.set_random_seed(schedule.seed)
    network = begun.network if begun else network_of_tiles.build(kind=kind)
    learner = guessing(network, taught.channels if taught else {})
    history = fit(
        learner,
        Steps.drawn(views, steps=schedule.steps_per_epoch, seed=schedule.seed),
        _measured(kept, taught) if kept else None,
        replace(schedule, average=average),
        directory=directory,
        loss={name: softened if name == ANSWER else "mse" for name in learner.output},
        metrics={ANSWER: [keras.metrics.CategoricalAccuracy(name="acc")]},
        monitor=_accuracy(learner) if hold_out else "loss",
        xla=schedule.steps >= _WORTH_COMPILING,
        progress=progress,
    )
    made: dict[str, Any] = {
        "from": begun.source if begun else "random initialisation",
        "seed": schedule.seed,
        "epochs": schedule.epochs,
        "steps_per_epoch": schedule.steps_per_epoch,
        "peak_learning_rate": schedule.peak_learning_rate,
        "recipe": asdict(recipe),
        "teacher": taught.identity if taught else None,
        "pictures": {
            "labelled": len(views.labelled),
            "cut from captchas": len(views.cut) if views.cut else 0,
            "drawn": len(views.drawn) if views.drawn else 0,
        },
        "minutes": round(sum(history.get("seconds", ())) / 60, 1),
        "last": {name: round(values[-1], 4) for name, values in history.items()},
    }
    return network, made
