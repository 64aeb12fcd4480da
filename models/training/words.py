"""Training the words network: ``tilefleet models train``.

Headers are drawn: no real one is needed. (Where there are some of a kind of one's own, a share of
every batch shows them.) They are drawn once, a plain and a noisy kind, with one and two words, then
moved and relit a little every time they are shown. Some words are no labels; their target is "any
of them", so that the network is unsure of such.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from models.drawing import fonts
from models.drawing.strips import UNKNOWN, Strips, draw_strips
from models.networks import words as network_of_words
from models.training.loop import Steps, fit
from models.training.schedule import Schedule
from models.training.transfer import Begun
from tilefleet.kind import BUILTIN, Kind

_SMOOTHING = 0.02
#: Share of a batch that shows real headers, where there are some, and how often one of them at the
#: most.
_REAL, _REPEATED = 0.25, 4


def targets(labels: NDArray[np.int16], kind: Kind = BUILTIN) -> NDArray[np.float32]:
    """int16 (n, words) to float32 (n, words, labels + 1), smoothed; unknown: any label."""
    count = kind.none + 1
    classes = np.eye(count, dtype=np.float32) * (1 - _SMOOTHING) + _SMOOTHING / count
    wanted: NDArray[np.float32] = classes[np.where(labels == UNKNOWN, 0, labels)]
    any_word = np.full(count, 1 / kind.none, np.float32)
    any_word[kind.none] = 0
    wanted[labels == UNKNOWN] = any_word
    return wanted


def _views(
    drawn: Callable[[], Strips], kind: Kind, batch: int, random: np.random.Generator
) -> tuple[NDArray[Any], NDArray[Any]]:
    """A batch: uint8 (batch, h, w, 3) and float32 (batch, words, labels + 1)."""
    strips = drawn()
    chosen = random.integers(0, len(strips), batch)
    grey = strips.images[chosen]
    moves = random.integers((-2, -3), (3, 5), (batch, 2))
    for row, (down, right) in zip(grey, moves, strict=True):
        row[:] = np.roll(row, (down, right), axis=(0, 1))
    contrast, noise = random.uniform((0.7, 0), (1.1, 6), (batch, 2)).T[..., np.newaxis, np.newaxis]
    lit = 255 - (255 - grey.astype(np.float32)) * contrast
    lit += random.normal(0, 1, grey.shape) * noise
    pixels = np.repeat(lit.clip(0, 255).astype(np.uint8)[..., np.newaxis], 3, axis=-1)
    return pixels, targets(strips.labels[chosen], kind)


@dataclass(frozen=True, slots=True)
class Real:
    """Real headers and what they ask for."""

    #: uint8 (n, h, w, 3), RGB.
    images: NDArray[np.uint8]
    #: int16 (n, words).
    labels: NDArray[np.int16]


def _own_views(
    drawn: Callable[[], Strips], real: Real, kind: Kind, batch: int, random: np.random.Generator
) -> tuple[NDArray[Any], NDArray[Any]]:
    """A batch of a kind of one's own: ink may be of any colour, and some headers are real ones."""
    pixels, wanted = _views(drawn, kind, batch, random)
    colour = 1 - random.uniform(0, 1, (batch, 1, 1, 3)) * random.uniform(0, 1, (batch, 1, 1, 1))
    colour /= colour.max(axis=-1, keepdims=True)
    pixels = 255 - (255 - pixels.astype(np.float32)) * colour
    if count := min(round(batch * _REAL), _REPEATED * len(real.images)):
        chosen = random.integers(0, len(real.images), count)
        moves = random.integers(-2, 3, (count, 2))
        light = random.uniform(0.85, 1.15, (count, 1, 1, 1))
        for row, each, (down, right) in zip(range(count), chosen, moves, strict=True):
            pixels[row] = np.roll(real.images[each], (down, right), axis=(0, 1))
        pixels[:count] *= light
        wanted[:count] = targets(real.labels[chosen], kind)
    return pixels.clip(0, 255).astype(np.uint8), wanted


@dataclass(frozen=True, slots=True)
class Recipe:
    """How many headers there are."""

    #: Drawn for each round, and others to choose the best epoch.
    strips: int = 80_000
    held_out: int = 3_000
    batch: int = 128


def _round(epochs: int, peak_learning_rate: float, steps_per_epoch: int = 300) -> Schedule:
    """One on headers of its own.

    The averaged weights are those of about the last hundred steps: the normalisation's statistics,
    which are not averaged, still fit them.
    """
    return Schedule(
        epochs=epochs,
        steps_per_epoch=steps_per_epoch,
        peak_learning_rate=peak_learning_rate,
        average=0.99,
    )


ROUNDS = (_round(26, 3e-3), _round(12, 1.5e-3), _round(6, 1.5e-3))
#: Of a network that knows other words already.
GOING_ON = (_round(10, 1.5e-3),)
#: The short plan, for some ten words: for each of the words that a header may have.
QUICK_ROUND = _round(6, 4e-3, steps_per_epoch=75)
QUICK = Recipe(strips=2_500, held_out=500, batch=32)


def train(
    *,
    directory: Path,
    kind: Kind = BUILTIN,
    font_folders: Sequence[Path] = (),
    rounds: Sequence[Schedule] = ROUNDS,
    recipe: Recipe | None = None,
    real: Real | None = None,
    begun: Begun | None = None,
    progress: bool | None = None,
) -> tuple[keras.Model, dict[str, Any]]:
    """Train a words network from random weights, or from what `begun` has; run again with the same
    arguments, it goes on.

    `kind`: of the captchas whose headers it reads. `font_folders`: where to look for fonts besides
    our own; those that lack a label's character are left out. `rounds`, one after the other, have
    one seed and as many steps in an epoch. Held-out headers are in fonts of their own where there
    are such; `real` ones are of another kind than the built-in's.
    Returns the network and how it was made, for the manifest. Raises ModelError.
    """
    recipe = recipe or Recipe()
    seed = rounds[0].seed
    train, held_out_faces = fonts.faces(font_folders, kind)
    kept = draw_strips(recipe.held_out, seed=seed + 1_000_000, faces=held_out_faces, kind=kind)
    kept_pixels = np.repeat(kept.images[..., np.newaxis], 3, axis=-1)
    keras.utils.set_random_seed(seed)
    network = begun.network if begun else network_of_words.build(kind)
    minutes = []
    for number, each in enumerate(rounds, 1):
        # Drawn when the first batch is asked for: a round that is finished needs none.
        drawn = cache(
            partial(
                draw_strips, recipe.strips, seed=seed + 1000 * (number - 1), faces=train, kind=kind
            )
        )
        history = fit(
            network,
            Steps.drawn(
                partial(_own_views, drawn, real, kind, recipe.batch)
                if real
                else partial(_views, drawn, kind, recipe.batch),
                steps=each.steps_per_epoch,
                seed=seed + number - 1,
            ),
            (kept_pixels, targets(kept.labels, kind)),
            each,
            directory=directory / f"round{number}",
            loss=keras.losses.CategoricalCrossentropy(),
            metrics=[keras.metrics.CategoricalAccuracy(name="acc")],
            progress=progress,
        )
        minutes.append(round(sum(history.get("seconds", ())) / 60, 1))
    made: dict[str, Any] = {
        "from": begun.source if begun else "random initialisation",
        "seed": seed,
        "rounds": [
            {"epochs": each.epochs, "peak_learning_rate": each.peak_learning_rate}
            for each in rounds
        ],
        "steps_per_epoch": rounds[0].steps_per_epoch,
        "headers": {
            "drawn for each round": recipe.strips,
            "held out": recipe.held_out,
            "real": len(real.images) if real else 0,
        },
        "fonts": sorted({face.name for face in train}),
        "held-out fonts": sorted({face.name for face in held_out_faces}),
        "minutes": minutes,
        "last": {name: round(values[-1], 4) for name, values in history.items()},
    }
    return network, made
