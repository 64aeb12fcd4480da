"""What the blocks of a chain learn from in each step: views, with the teacher's maps and answers.

Every map is learned as it is standardised: minus its channels' means, over their spreads, which the
two maps of a sum share.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.networks import chain
from models.training.loop import Batch
from models.training.schedule import Schedule
from models.training.teachers import opinions, views

_MEASURED = 1024
_LEAST_SPREAD = 1e-3
#: Where the terms of a sum must be alike: whose spread a map is standardised by.
_SPREAD_OF = {"map9": "sum9"}
#: The blocks, in order.
_PARTS = (*chain.MAPS, chain.SCORES)


def before(part: str) -> str:
    """Name of the input of a block, which is named after its output."""
    return f"before_{part}"


@dataclass(frozen=True, slots=True)
class _Scale:
    """By what a map is standardised: float32 (channels,) each."""

    mean: NDArray[np.float32]
    spread: NDArray[np.float32]

    @classmethod
    def of(cls, shown: NDArray[Any], beside: NDArray[Any]) -> "_Scale":
        """Of maps (n, side, side, channels), with the spread of those `beside` it."""
        mean = np.asarray(shown[:_MEASURED], np.float32).mean(axis=(0, 1, 2))
        spread = np.asarray(beside[:_MEASURED], np.float32).std(axis=(0, 1, 2))
        return cls(mean, np.maximum(spread, _LEAST_SPREAD))

    def __call__(self, maps: NDArray[Any]) -> NDArray[np.float32]:
        return (maps.astype(np.float32) - self.mean) / self.spread


class Batches:
    """Views, and what the outputs of a network in training should be."""

    def __init__(
        self,
        shards: Sequence[Path],
        *,
        batch: int,
        schedule: Schedule,
        alone: bool,
        answers: Mapping[str, float],
    ) -> None:
        """`alone`: whether blocks are given the teacher's maps, or only pixels; `answers`: the
        arrays of those whose mean is learned, and what each weighs in it."""
        self._shards = shards
        self._parts = max(1, views.SHARD // batch)
        self._steps = schedule.steps_per_epoch
        self._seed = schedule.seed
        self._alone = alone
        self._answers = answers
        self._read = lru_cache(2)(views.read)
        first = self._read(shards[0])
        self._scales = {
            name: _Scale.of(first[name], first[_SPREAD_OF.get(name, name)]) for name in chain.MAPS
        }

    def __call__(self, epoch: int, step: int) -> Batch:
        """The batch of a step of an epoch."""
        number, part = views.drawn_from(
            epoch * self._steps + step,
            parts=self._parts,
            shards=len(self._shards),
            seed=self._seed,
        )
        drawn = {
            name: values[part :: self._parts]
            for name, values in self._read(self._shards[number]).items()
        }
        maps = {name: scale(drawn[name]) for name, scale in self._scales.items()}
        given: Any = drawn[views.PIXELS]
        if self._alone:
            given = {
                before(name): each
                for name, each in zip(_PARTS, (given, *maps.values()), strict=True)
            }
        return given, {**maps, chain.SCORES: opinions.mean(drawn, self._answers)}
