"""Views of pictures with what a teacher shows of them, in files: made once, learnt from many times.

A share of the views are the pictures as they are; the others are moved, recoloured, mixed,
compressed. A shard is a function of its number and the seed, so that making them can be broken off
and gone on with; several processes make them side by side.

The teacher shows its maps and answers for every view. Drawn tiles are answered by their labels: no
teacher has seen their like.
"""

import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from models import store
from models.datasets.pictures import Pictures
from models.networks.chain import MAPS
from models.training import augment
from models.training.teachers.shards import make_all
from models.training.teachers.teacher import look

#: Views in a shard.
SHARD = 4096
#: Views that are altered together, the drawn tiles last; and a teacher's pictures in one call.
TOGETHER, _CALL = 256, 8
_NORMALISED = keras.layers.BatchNormalization
_LEAST = 1e-7
#: How probable its label is, as a target, of a drawn tile; the rest is shared by all.
_SURE = 0.98
PIXELS, ANSWERS = "pixels", "answers"


@dataclass(frozen=True, slots=True)
class Mixture:
    """What views are made of."""

    #: Share of the views that show photographs; the rest shows tiles.
    photographs: float = 0.45
    #: Shares of either that are left as they are.
    plain_tiles: float = 0.2
    plain_photographs: float = 0.1
    #: Share of the altered ones that are moved by whole pixels, neither turned nor scaled.
    shifted: float = 0.3
    #: Share of the other altered ones that show a part of a picture only.
    zoomed: float = 0.3
    #: Share of the views that show drawn tiles, where there are some.
    drawn: float = 0.05


@dataclass(frozen=True, slots=True)
class Sources:
    """The pictures that views are made of."""

    tiles: Pictures
    photographs: Pictures | None = None
    drawn: Pictures | None = None


def drawn_together(sources: Sources, mixture: Mixture) -> int:
    """Of the views that are made together, how many show drawn tiles: the last ones."""
    return round(TOGETHER * mixture.drawn) if sources.drawn else 0


def milestones(teacher: keras.Model) -> dict[str, object]:
    """The teacher's narrow maps by the names of `networks.chain.MAPS`, or {} if it has no such
    maps: of each shape the first that is normalised, and for a sum the last there is."""
    found: dict[str, object] = {}
    for name, shape in MAPS.items():
        outputs = [
            layer.output
            for layer in teacher.layers
            if isinstance(layer, keras.layers.Add if name == "sum9" else _NORMALISED)
            and tuple(layer.output.shape[1:]) == shape
        ]
        if not outputs:
            return {}
        found[name] = outputs[0]
    return found


def make(
    directory: Path,
    sources: Sources,
    *,
    teacher: store.Entry,
    count: int,
    seed: int,
    mixture: Mixture,
    say: Callable[[str], None],
) -> list[Path]:
    """Make the first `count` shards that are not there yet; returns all of them, folders of .npy:
    `pixels` uint8 (4096, h, w, 3), a float16 file for each map, `answers` float16 (4096, labels),
    logarithms of probabilities."""
    shards = [directory / f"{number:05d}" for number in range(count)]
    missing = [number for number, shard in enumerate(shards) if not shard.is_dir()]
    if not missing:
        return shards
    directory.mkdir(parents=True, exist_ok=True)
    say(f"making {len(missing) * SHARD:,} views as {teacher.identity} sees them")
    make_all(_Maker, (sources, mixture, teacher, directory, seed, SHARD), missing, say=say)
    return shards


class _Maker:
    """Makes shards in one process, with a teacher of its own."""

    def __init__(
        self,
        sources: Sources,
        mixture: Mixture,
        teacher: store.Entry,
        directory: Path,
        seed: int,
        size: int,
    ) -> None:
        self._size = size
        self._sources = (sources.tiles, sources.photographs or sources.tiles)
        self._drawn = sources.drawn
        self._are_drawn = drawn_together(sources, mixture)
        self._mixture = mixture
        self._directory = directory
        self._seed = seed
        network = store.load_network(teacher, "tiles")
        shown = {ANSWERS: network.output, **milestones(network)}
        self._look = look(keras.Model(network.input, shown), _CALL)

    def __call__(self, number: int) -> None:
        random = np.random.default_rng([self._seed, number])
        parts: list[NDArray[np.uint8]] = []
        labels: dict[int, NDArray[np.float32]] = {}
        for start in range(0, self._size, TOGETHER):
            parts += self._views(random)
            if self._drawn is not None and self._are_drawn:
                chosen = random.integers(0, len(self._drawn), self._are_drawn)
                parts.append(self._drawings(self._drawn, chosen, random))
                first = start + TOGETHER - self._are_drawn
                labels |= dict(enumerate(self._drawn.truth[chosen], first))
        views = np.concatenate(parts)
        shown = self._shown(views)
        for row, truth in labels.items():
            shown[ANSWERS][row] = _SURE * truth + (1 - _SURE) / len(truth)
        shard = self._directory / f"{number:05d}"
        draft = shard.with_suffix(".draft")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        np.save(draft / f"{PIXELS}.npy", views)
        for name, values in shown.items():
            stored = logarithms(values) if name == ANSWERS else values.astype(np.float16)
            np.save(draft / f"{name}.npy", stored)
        draft.rename(shard)

    def _views(self, random: np.random.Generator) -> list[NDArray[np.uint8]]:
        """As they are, and altered."""
        mixture = self._mixture
        plain: list[NDArray[np.uint8]] = []
        altered: list[NDArray[np.float32]] = []
        for _ in range(TOGETHER - self._are_drawn):
            photograph = int(random.random() < mixture.photographs)
            source = self._sources[photograph]
            picture = int(random.integers(len(source)))
            share = mixture.plain_photographs if photograph else mixture.plain_tiles
            if random.random() < share:
                plain.append(source.tile(picture))
                continue
            image = source.images[picture]
            if random.random() < mixture.shifted:
                view = augment.shifted(image, random)
            else:
                view = augment.view(image, random, zoomed=mixture.zoomed)
            altered.append(np.asarray(view, np.float32))
        views = [np.stack(plain)] if plain else []
        if altered:
            mixed, *_ = augment.mix(augment.recolour(np.stack(altered), random), random)
            views.append(augment.finish(mixed, random))
        return views

    @staticmethod
    def _drawings(
        drawn: Pictures, chosen: NDArray[np.int64], random: np.random.Generator
    ) -> NDArray[np.uint8]:
        grounds = (augment.on_ground(drawn.images[each], random) for each in chosen)
        moved = np.stack([np.asarray(augment.view(each, random), np.float32) for each in grounds])
        return augment.finish(augment.recolour(moved, random), random)

    def _shown(self, views: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        parts = [self._look(views[start : start + _CALL]) for start in range(0, len(views), _CALL)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def logarithms(probabilities: NDArray[np.float32]) -> NDArray[np.float16]:
    """As answers are stored: of 1e-7 at least."""
    return np.log(np.maximum(probabilities, _LEAST)).astype(np.float16)


def read(shard: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a shard by name."""
    return {path.stem: np.load(path) for path in sorted(shard.glob("*.npy"))}


def drawn_from(step: int, *, parts: int, shards: int, seed: int) -> tuple[int, int]:
    """The number of the shard, and the part of its `parts`, that a step of all steps learns from:
    the parts of a shard one after the other, shards in random order."""
    turn, part = divmod(step, parts)
    random = np.random.default_rng([seed, turn // shards])
    return int(random.permutation(shards)[turn % shards]), part


def described(mixture: Mixture, count: int) -> dict[str, object]:
    """For the manifest."""
    return {**asdict(mixture), "views": count * SHARD}
