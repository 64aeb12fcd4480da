"""Training the last block of a chain alone, on the chain's own last map.

It gains from more steps than all other blocks together, and its steps cost a hundredth of theirs:
each view's map is made once, and read from a file then.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from models.training.loop import Batch, Steps, fit
from models.training.schedule import Schedule
from models.training.teachers import opinions, views

#: Views in one call of the chain.
_CALL = 256


def train(
    head: keras.Model,
    body: keras.Model,
    shards: Sequence[Path],
    *,
    answers: Mapping[str, float],
    batch: int,
    schedule: Schedule,
    apart: Callable[[Any, Any], Any],
    maps: Path,
    directory: Path,
    progress: bool | None = None,
) -> dict[str, list[float]]:
    """Train `head` in place, on what `body` makes of the views; run again, it goes on.

    `answers`: the arrays of the shards whose mean is learned, and what each weighs in it; `apart`:
    how far scores are from it. The folder `maps` gets what the body makes (4 MB a shard), and
    `directory` the state. Returns what `loop.fit` does.
    """
    files = _look(body, shards, maps)
    parts = max(1, views.SHARD // batch)

    @lru_cache(2)
    def read(number: int) -> tuple[NDArray[np.float16], NDArray[np.float32]]:
        drawn = {name: np.load(shards[number] / f"{name}.npy") for name in answers}
        return np.load(files[number]), opinions.mean(drawn, answers)

    def draw(epoch: int, step: int) -> Batch:
        number, part = views.drawn_from(
            epoch * schedule.steps_per_epoch + step,
            parts=parts,
            shards=len(shards),
            seed=schedule.seed,
        )
        seen, wanted = read(number)
        return seen[part::parts].astype(np.float32), wanted[part::parts]

    # What is compiled keeps its loss, which a stored network does not need to be loaded.
    given = keras.Input(head.input.shape[1:])
    return fit(
        keras.Model(given, head(given)),
        Steps(draw, steps=schedule.steps_per_epoch),
        None,
        schedule,
        directory=directory,
        loss=apart,
        monitor="loss",
        progress=progress,
    )


def _look(body: keras.Model, shards: Sequence[Path], directory: Path) -> list[Path]:
    """What a network makes of each shard's views: files of float16 (views, side, side, channels),
    made where they are not there yet."""
    directory.mkdir(parents=True, exist_ok=True)
    files = [directory / f"{shard.name}.npy" for shard in shards]
    for shard, file in zip(shards, files, strict=True):
        if file.is_file():
            continue
        pixels = np.load(shard / f"{views.PIXELS}.npy")
        draft = file.with_suffix(".draft")
        with draft.open("wb") as opened:
            np.save(opened, body.predict(pixels, batch_size=_CALL, verbose=0).astype(np.float16))
        draft.replace(file)
    return files
