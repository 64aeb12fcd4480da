"""What repetition cannot tell: a tiles network that learns from the groups whose label is sure.

It begins with random weights, in later rounds with those of the round before, and sees no label
but those that the headers gave. Of the groups it never learned from it says what they look like,
which becomes their prior; how far it is to be believed is measured on a tenth of the groups, from
which it never learns.
"""

import io
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bootstrap.progress import Tick, unheard
from models.datasets.pictures import with_mirror
from models.recognition.crops import padded
from tilefleet.kind import BUILTIN, Kind

#: A group whose label is this probable is one to learn from …
SURE = 0.95
#: … if at least that many are, of that many labels or of half of them.
LEAST_SURE = 200
LEAST_LABELS = 40
#: Pictures to learn from at most: all of them are in memory.
_MOST = 20_000
#: Share of the sure groups that measure how far the network is to be believed.
_KEPT = 0.1
#: In its directory: which groups it has learned from, in this round or before.
_LEARNED = "learned.npy"
_TEMPERATURES = (0.7, 1.0, 1.4, 2.0, 2.8, 4.0)
_LEAST_PROBABILITY = 1e-4
_AT_ONCE = 512
_BATCH = 64
#: Of each stage: without a teacher, more of them learn more.
_BOTTLENECKS = (3, 2)
#: Batches after which the state is kept, and the learning rate at its highest.
_STEPS = 100
_PEAK = 5e-3
_SMOOTHING = 0.05


@dataclass(frozen=True, slots=True)
class Opinion:
    """What the network thinks of the groups it did not learn from."""

    #: float32 (groups, labels): log probability of each label; 0 for those it learned from.
    prior: NDArray[np.float32]
    #: Groups: those that it learned from, and all.
    learned_from: int
    groups: int
    #: Share of the kept sure groups to which it gives the same label.
    agreement: float
    temperature: float

    def __str__(self) -> str:
        return (
            f"the network learned from {self.learned_from} of {self.groups} groups; on sure ones "
            f"kept from it, it agrees with {self.agreement:.3f} (temperature {self.temperature})"
        )


def learn(
    pictures: NDArray[np.uint8],
    labels: NDArray[np.float32],
    *,
    directory: Path,
    before: Path | None,
    steps: int,
    seed: int,
    tick: Tick = unheard,
    kind: Kind = BUILTIN,
) -> Opinion | None:
    """Train on the sure groups, look at the others.

    `pictures`: uint8 (groups, h, w, 3), RGB, may be on disk; `labels`: float32 (groups, labels);
    `before`: the directory of the round that this one goes on from; the seed is the same in all
    rounds; `tick` is told how many of its batches it has seen. None if too few are sure.
    """
    sure = labels.max(axis=1) >= SURE
    known = labels.argmax(axis=1)
    least = min(LEAST_LABELS, len(kind.labels) // 2)
    if sure.sum() < LEAST_SURE or len(set(known[sure].tolist())) < least:
        return None
    order = np.random.default_rng(seed).permutation(len(labels))
    aside = order[: round(_KEPT * len(labels))]
    kept = aside[sure[aside]]
    rest = order[len(aside) :]
    taught = np.sort(rest[sure[rest]][:_MOST])
    network = _train(
        pictures,
        labels,
        taught,
        directory=directory,
        before=before,
        steps=steps,
        seed=seed,
        tick=tick,
        kind=kind,
    )
    learned = np.union1d(taught, np.load(before / _LEARNED)) if before else taught
    np.save(directory / _LEARNED, learned)
    log_seen = np.log(np.maximum(look(network, pictures), _LEAST_PROBABILITY))
    temperature = min(
        _TEMPERATURES,
        key=lambda each: -_softened(log_seen[kept], each)[np.arange(len(kept)), known[kept]].mean(),
    )
    prior = _softened(log_seen, temperature)
    # What it learned by heart is no second opinion.
    prior[learned] = 0
    agreement = float((log_seen[kept].argmax(axis=1) == known[kept]).mean())
    return Opinion(prior, len(taught), len(labels), agreement, temperature)


def look(network: Any, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Probabilities, float32 (n, labels), of uint8 (n, h, w, 3)."""
    seen = np.empty((len(pictures), network.output_shape[-1]), np.float32)
    for start in range(0, len(pictures), _AT_ONCE):
        part = np.ascontiguousarray(pictures[start : start + _AT_ONCE])
        # Whole batches only: another size would be compiled anew.
        full = network.predict_on_batch(padded(part, _AT_ONCE))
        seen[start : start + len(part)] = full[: len(part)]
    return seen


def _train(
    pictures: NDArray[np.uint8],
    labels: NDArray[np.float32],
    taught: NDArray[np.int64],
    *,
    directory: Path,
    before: Path | None,
    steps: int,
    seed: int,
    tick: Tick,
    kind: Kind,
) -> Any:
    from models.runtimes.installed import choose_keras_backend

    choose_keras_backend()
    import keras

    from models.networks.tiles import build
    from models.training.loop import BEST, Steps, fit
    from models.training.schedule import Schedule

    class Counted(Steps):
        def __getitem__(self, step: int) -> Any:
            tick(min(self.epoch, epochs - 1) * _STEPS + step, epochs * _STEPS)
            return super().__getitem__(step)

    keras.utils.set_random_seed(seed)
    network = build(_BOTTLENECKS, kind)
    if before:
        network.load_weights(before / BEST)
    epochs = max(1, round(steps / _STEPS))
    # Keras's lines for each epoch: `tick` tells as much, and only on a terminal.
    with redirect_stdout(io.StringIO()):
        fit(
            network,
            Counted.drawn(_Views(pictures, labels, taught, kind), steps=_STEPS, seed=seed),
            None,
            Schedule(
                epochs=epochs,
                steps_per_epoch=_STEPS,
                peak_learning_rate=_PEAK,
                average=0.98,
                seed=seed,
            ),
            directory=directory,
            loss=keras.losses.CategoricalCrossentropy(label_smoothing=_SMOOTHING),
            metrics=[keras.metrics.CategoricalAccuracy(name="acc")],
            monitor="loss",
            progress=False,
        )
    return network


class _Views:
    """Batches of the sure groups, each picture a little changed: uint8 (64, h, w, 3) and float32
    (64, labels). Less is done to them than to a labelled collection (`training.tiles`), as this
    network sees each for a few minutes only."""

    def __init__(
        self,
        pictures: NDArray[np.uint8],
        labels: NDArray[np.float32],
        taught: NDArray[np.int64],
        kind: Kind = BUILTIN,
    ) -> None:
        #: What other kinds' tiles are in a mirror is not known.
        self._look: dict[str, Any] = {"size": kind.layout.tile, "mirrored": kind == BUILTIN}
        self._images = [with_mirror(pictures[group]) for group in taught]
        self._labels = labels[taught]

    def __call__(
        self, random: np.random.Generator
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        from models.training import augment

        chosen = random.integers(0, len(self._images), _BATCH)
        looked = (augment.view(self._images[each], random, **self._look) for each in chosen)
        views = np.stack([np.asarray(view) for view in looked])
        lit = augment.recolour(views.astype(np.float32), random)
        return np.rint(lit).clip(0, 255).astype(np.uint8), self._labels[chosen]


def _softened(log_seen: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    scaled = log_seen / temperature
    top = scaled.max(axis=1, keepdims=True)
    softened: NDArray[np.float32] = (
        scaled - top - np.log(np.exp(scaled - top).sum(axis=1, keepdims=True))
    )
    return softened
