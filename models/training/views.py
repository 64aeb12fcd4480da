"""Views of pictures with what a teacher shows of them, in files: made once, learnt from many times.

A share of the views are the pictures as they are; the others are moved, recoloured, mixed,
compressed. A shard is a function of its number and the seed, so that making them can be broken off
and gone on with; several processes make them side by side.

One teacher shows its maps and answers for every view. What all teachers together say, and the label
where it is known, takes the place of its answer for pictures as they are: what several networks see
is more often right, and too slow to be asked for every view. Drawn tiles are answered by their
label alone: no teacher has seen their like.
"""

import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from multiprocessing.pool import Pool
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from models import store
from models.datasets.tiles import UNKNOWN, Pictures
from models.networks.chain import MAPS
from models.training import augment
from models.training.teacher import look
from tilefleet.labels import LABELS

#: Views in a shard.
SHARD = 4096
#: Teacher's pictures in one call, and views that are altered together.
_CALL, _TOGETHER = 8, 256
_NORMALISED = keras.layers.BatchNormalization
_LEAST = 1e-7
#: Tiles that a process asks all teachers about at once.
_ASKED = 128
PIXELS, ANSWERS = "pixels", "answers"
_NOTHING = np.zeros(len(LABELS), np.float32)

Look = Callable[[NDArray[np.uint8]], dict[str, NDArray[np.float32]]]


@dataclass(frozen=True, slots=True)
class Mixture:
    """What views are made of."""

    #: Share of the views that show photographs; the rest shows tiles.
    photographs: float = 0.5
    #: Shares of either that are left as they are.
    plain_tiles: float = 0.28
    plain_photographs: float = 0.12
    #: Share of the altered ones that show a part of a picture only.
    zoomed: float = 0.3
    #: Share of the views that show drawn tiles, where there are some.
    drawn: float = 0.12
    #: How much of the target a known label is, of a tile as it is; of a drawn one. Labels of real
    #: tiles are learned by heart, at the cost of unseen tiles (models/README.md).
    truth: float = 0.0
    drawn_truth: float = 0.98


@dataclass(frozen=True, slots=True)
class Sources:
    """The pictures that views are made of."""

    tiles: Pictures
    photographs: Pictures | None = None
    drawn: Pictures | None = None


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
    teachers: Sequence[store.Entry],
    count: int,
    seed: int,
    mixture: Mixture,
    say: Callable[[str], None],
) -> list[Path]:
    """Make the first `count` shards that are not there yet; returns all of them, folders of .npy:
    `pixels` uint8 (4096, 67, 67, 3), a float16 file for each map, `answers` float16 (4096, 80),
    logarithms of probabilities. The first of the `teachers` shows its maps."""
    shards = [directory / f"{number:05d}" for number in range(count)]
    missing = [number for number, shard in enumerate(shards) if not shard.is_dir()]
    if not missing:
        return shards
    directory.mkdir(parents=True, exist_ok=True)
    plain = _targets(directory / "plain.npy", sources.tiles, teachers, mixture.truth, say)
    say(f"making {len(missing) * SHARD:,} views as {teachers[0].identity} sees them")
    tasks = (sources, plain, mixture, teachers[0], directory, seed, SHARD)
    with _pool(len(missing), _begin, tasks) as pool:
        for done, number in enumerate(pool.imap_unordered(_make, missing), 1):
            if done % 10 == 0 or done == len(missing):
                say(f"{done} of {len(missing)} shards, the last number {number}")
    return shards


def _targets(
    file: Path,
    tiles: Pictures,
    teachers: Sequence[store.Entry],
    share: float,
    say: Callable[[str], None],
) -> NDArray[np.float32]:
    """What should be seen in the pictures as they are, float32 (n, 80): the mean of the teachers'
    answers, and the label where one is known for `share` of it; kept in `file`."""
    if not file.is_file():
        say(f"asking {len(teachers)} teachers about {len(tiles):,} tiles")
        parts = [tiles.tiles()[start : start + _ASKED] for start in range(0, len(tiles), _ASKED)]
        with _pool(len(parts), _begin_asking, (teachers,)) as pool:
            answers = np.concatenate(list(pool.imap(_ask, parts)))
        known = tiles.labels != UNKNOWN
        answers[known] = share * tiles.truth[known] + (1 - share) * answers[known]
        np.save(file, answers.astype(np.float32))
    found: NDArray[np.float32] = np.load(file)
    return found


class _Maker:
    """Makes shards in one process, with a teacher of its own."""

    def __init__(
        self,
        sources: Sources,
        plain: NDArray[np.float32],
        mixture: Mixture,
        teacher: store.Entry,
        directory: Path,
        seed: int,
        size: int,
    ) -> None:
        self._size = size
        self._sources = (sources.tiles, sources.photographs or sources.tiles)
        self._drawn = sources.drawn
        self._plain = plain
        self._mixture = mixture
        self._directory = directory
        self._seed = seed
        network = store.load_network(teacher, "tiles")
        shown = {ANSWERS: network.output, **milestones(network)}
        self._look = look(keras.Model(network.input, shown), _CALL)

    def __call__(self, number: int) -> int:
        random = np.random.default_rng([self._seed, number])
        made = [self._views(random) for _ in range(self._size // _TOGETHER)]
        views = np.concatenate([pixels for pixels, _ in made])
        targets = np.concatenate([target for _, target in made])
        shown = self._shown(views)
        given = targets.any(axis=1, keepdims=True)
        shown[ANSWERS] = np.log(np.maximum(np.where(given, targets, shown[ANSWERS]), _LEAST))
        shard = self._directory / f"{number:05d}"
        draft = shard.with_suffix(".draft")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        np.save(draft / f"{PIXELS}.npy", views)
        for name, values in shown.items():
            np.save(draft / f"{name}.npy", values.astype(np.float16))
        draft.rename(shard)
        return number

    def _views(self, random: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Some views, and what should be seen in each: a row of zeros where the teacher says it."""
        mixture = self._mixture
        plain: list[NDArray[np.uint8]] = []
        altered: list[NDArray[np.float32]] = []
        targets: list[NDArray[np.float32]] = []
        is_drawn = round(_TOGETHER * mixture.drawn) if self._drawn else 0
        for _ in range(_TOGETHER - is_drawn):
            photograph = int(random.random() < mixture.photographs)
            source = self._sources[photograph]
            picture = int(random.integers(len(source)))
            share = mixture.plain_photographs if photograph else mixture.plain_tiles
            if random.random() < share:
                plain.append(source.tile(picture))
                targets.append(self._plain[picture] if source is self._sources[0] else _NOTHING)
            else:
                view = augment.view(source.images[picture], random, zoomed=mixture.zoomed)
                altered.append(np.asarray(view, np.float32))
        # In the order of the views: as they are, altered, drawn.
        targets += [_NOTHING] * len(altered)
        mixed, *_ = augment.mix(augment.recolour(np.stack(altered), random), random)
        views = [np.stack(plain), augment.finish(mixed, random)]
        if self._drawn is not None and is_drawn:
            chosen = random.integers(0, len(self._drawn), is_drawn)
            grounds = [augment.on_ground(self._drawn.images[each], random) for each in chosen]
            moved = np.stack([np.asarray(augment.view(each, random)) for each in grounds])
            views.append(augment.finish(augment.recolour(moved.astype(np.float32), random), random))
            targets += list(
                mixture.drawn_truth * self._drawn.truth[chosen]
                + np.float32((1 - mixture.drawn_truth) / len(LABELS))
            )
        return np.concatenate(views), np.stack(targets)

    def _shown(self, views: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        return _in_calls(self._look, views)


class _Panel:
    """All teachers in one process."""

    def __init__(self, teachers: Sequence[store.Entry]) -> None:
        self._looks = []
        for teacher in teachers:
            network = store.load_network(teacher, "tiles")
            self._looks.append(look(keras.Model(network.input, {ANSWERS: network.output}), _CALL))

    def __call__(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        answers = [_in_calls(each, tiles)[ANSWERS] for each in self._looks]
        mean: NDArray[np.float32] = np.mean(answers, axis=0)
        return mean


def _in_calls(ask: Look, views: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    """All that a teacher shows of any number of views."""
    filling = np.zeros((-len(views) % _CALL, *views.shape[1:]), np.uint8)
    filled = np.concatenate([views, filling])
    parts = [ask(filled[start : start + _CALL]) for start in range(0, len(filled), _CALL)]
    return {name: np.concatenate([part[name] for part in parts])[: len(views)] for name in parts[0]}


def _pool(tasks: int, begin: Callable[..., None], given: tuple[object, ...]) -> Pool:
    """Processes that are spawned: TensorFlow does not survive a fork."""
    workers = min(tasks, os.cpu_count() or 1)
    return multiprocessing.get_context("spawn").Pool(workers, begin, given)


_maker: _Maker | None = None
_panel: _Panel | None = None


def _begin(*given: object) -> None:
    global _maker
    from models.runtimes.installed import choose_keras_backend

    choose_keras_backend()
    _maker = _Maker(*given)  # type: ignore[arg-type]


def _make(number: int) -> int:
    assert _maker is not None
    return _maker(number)


def _begin_asking(teachers: Sequence[store.Entry]) -> None:
    global _panel
    from models.runtimes.installed import choose_keras_backend

    choose_keras_backend()
    _panel = _Panel(teachers)


def _ask(tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
    assert _panel is not None
    return _panel(tiles)


def load(shards: Sequence[Path]) -> Iterator[dict[str, NDArray[np.generic]]]:
    """The arrays of each shard by name, mapped and not read."""
    for shard in shards:
        yield {path.stem: np.load(path, mmap_mode="r") for path in sorted(shard.glob("*.npy"))}


def described(mixture: Mixture, count: int) -> dict[str, object]:
    """For the manifest."""
    return {**asdict(mixture), "views": count * SHARD}
