"""Both networks of a model, trained, measured and stored: ``tilefleet models train``."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from models import store
from models.datasets import photographs
from models.datasets import tiles as pictures
from models.datasets.collections import answered, is_unseen, to_learn
from models.datasets.truth import Truth
from models.drawing.fonts import faces
from models.drawing.strips import draw_strips
from models.drawing.tiles import TILES
from models.evaluation.score import outcomes
from models.recognition.crops import Crops
from models.store import Entry
from models.store.manifest import NETWORKS
from models.training import blocks, calibration, claims, precision, tiles, views, words
from tilefleet.errors import BadImage, ModelNotFound
from tilefleet.kind import BUILTIN

#: Drawn headers that the words network's temperature is measured on.
_CALIBRATED_ON, _CALIBRATION_SEED = 3000, 77
_MAX_BYTES = 1 << 20


def train_pair(
    data: Path,
    *,
    fonts: Sequence[Path],
    teacher: str | None,
    name: str,
    root: Path,
    teacher_root: Path | None = None,
    replace: bool = False,
    only: str | None = None,
    seed: int = 1,
    headers: int | None = None,
    epochs: int | None = None,
    steps_per_epoch: int | None = None,
    hold_out: bool = False,
    patience: int | None = None,
    directory: Path,
    fresh: bool = False,
    say: Callable[[str], None] = print,
) -> Entry:
    """Train what is asked for, take the rest from the model `name`, or the built-in one if there is
    none of that name, and store both.

    `data` has tiles/ or tiles.npz and, for a teacher, captchas2016/; `headers` (how many are
    drawn), `epochs` and `steps_per_epoch` take the place of the recipes' own; `hold_out` keeps two
    of the labelled pictures of each class out of training; `patience` epochs without a better one
    on held-out data end a round; `directory` keeps the state, which belongs to this data, these
    options and this code (`claims`), and is removed first if `fresh`. The LiteRT files become int8
    where that is faster and loses no captcha. Raises ModelError, BadTiles, BadAnswers and
    BadCollection.
    """
    wanted = [only] if only else list(NETWORKS)
    if not replace:
        # Better before an hour of training than after it.
        store.check_free(name, root=root)
    plan = claims.plan(
        data,
        fonts=fonts,
        teacher=store.find(teacher, root=teacher_root) if teacher else None,
        headers=headers,
        hold_out=hold_out,
        seed=seed,
        epochs=epochs,
        steps=steps_per_epoch,
        patience=patience,
    )
    for line in plan.found.lines():
        say(line)
    for network in wanted:
        if claims.claim(directory / network, plan.belongs[network], fresh=fresh):
            say(f"{network}: going on in {directory / network}")
    length = {"epochs": epochs, "steps_per_epoch": steps_per_epoch, "patience": patience}
    chosen: dict[str, Any] = {name: value for name, value in length.items() if value}
    made: dict[str, tuple[keras.Model, Any]] = {}
    if "words" in wanted:
        say("training the words network")
        made["words"] = words.train(
            directory=directory / "words",
            font_folders=fonts,
            seed=seed,
            **({**chosen, "strips": headers} if headers else chosen),
        )
    if "tiles" in wanted:
        say("training the tiles network")
        by_blocks = _by_blocks(
            data, teacher, teacher_root, directory / "tiles", seed, epochs, steps_per_epoch, say
        )
        made["tiles"] = by_blocks or tiles.train(
            *to_learn(data),
            drawn=TILES,
            teacher=teacher,
            root=teacher_root,
            directory=directory / "tiles",
            hold_out=hold_out,
            seed=seed,
            **chosen,
        )
    for network in set(NETWORKS) - set(made):
        old = _kept(name, root)
        made[network] = (store.load_network(old, network), old.manifest.training.get(network))
    for network, (model, how) in made.items():
        if network in wanted:
            how["belongs"] = dict(plan.belongs[network])
            if network == "tiles" and plan.found.few:
                how["too few pictures of"] = plan.found.few
            how["temperature"] = round(calibrate(network, model, data, fonts=fonts), 3)
            say(f"{network}: temperature {how['temperature']}")
    entry = store.save(
        name,
        {network: model for network, (model, _) in made.items()},
        training={network: how for network, (_, how) in made.items()},
        evaluation={},
        root=root,
        replace=replace,
    )
    return _sharpen(precision.choose(entry, data, say=say), data, say=say)


def _by_blocks(
    data: Path,
    teacher: str | None,
    root: Path | None,
    directory: Path,
    seed: int,
    epochs: int | None,
    steps: int | None,
    say: Callable[[str], None],
) -> tuple[keras.Model, Any] | None:
    """Tiles learned by blocks, or None where there is no teacher whose maps allow it.

    `epochs`: of each of the two phases, instead of the recipe's.
    """
    if teacher is None:
        return None
    entry = store.find(teacher, root=root)
    if not views.milestones(store.load_network(entry, "tiles")):
        return None
    schedule = blocks.Schedule(seed=seed)
    if epochs:
        schedule = replace(schedule, alone=epochs, whole=epochs)
    if steps:
        # As many views as are learnt from, at the most.
        shards = min(schedule.shards, -(-steps * schedule.batch // views.SHARD))
        schedule = replace(schedule, steps=steps, shards=shards)
    return blocks.train(
        sources(data), teacher=entry, directory=directory, schedule=schedule, say=say
    )


def sources(data: Path) -> views.Sources:
    """The pictures of a folder that tiles are learned from."""
    photos = data / photographs.FILENAME
    known, cut = to_learn(data)
    return views.Sources(
        known + cut if cut else known,
        photographs.photographs(photos) if photos.is_file() else None,
        pictures.drawn(TILES),
    )


def calibrate(network: str, model: keras.Model, data: Path, *, fonts: Sequence[Path]) -> float:
    """Give a trained network its temperature, from headers and captchas it was not trained on."""
    if network == "words":
        _, held_out = faces(fonts)
        drawn = draw_strips(_CALIBRATED_ON, seed=_CALIBRATION_SEED, faces=held_out)
        pictures = np.repeat(drawn.images[..., np.newaxis], 3, axis=-1)
        surprise = calibration.of_words(_ask(model, pictures), drawn.labels)
    else:
        captchas = _captchas(data)
        if not captchas:
            return 1.0
        crops = [
            Crops.from_bytes(truth.path.read_bytes(), BUILTIN.layout, max_bytes=_MAX_BYTES)
            for truth in captchas
        ]
        surprise = calibration.of_tiles(
            np.stack([_ask(model, crop.tiles) for crop in crops]),
            [[BUILTIN.index[word] for word in truth.words] for truth in captchas],
            [truth.picks for truth in captchas],
        )
    temperature = calibration.best(surprise)
    calibration.apply(model, temperature)
    return temperature


def _sharpen(entry: Entry, data: Path, *, say: Callable[[str], None]) -> Entry:
    """Calibrate the confidence of whole answers, and measure them again."""
    captchas = _captchas(data)
    if not captchas:
        return entry
    found = outcomes(precision.reader(entry, "float32"), captchas)
    chosen = calibration.sharpness(
        np.array([each.confidence for each in found]), np.array([each.exact for each in found])
    )
    # On top of what it was before: sharpening twice is sharpening by the product.
    chosen *= entry.manifest.sharpness
    say(f"confidence: sharpness {chosen:.2f}")
    entry = store.annotate(entry, {}, sharpness=round(chosen, 3))
    return precision.annotate(entry, data)


def _captchas(data: Path) -> list[Truth]:
    """Those with known answers that networks are calibrated on; none if there are none."""
    return [
        truth
        for known in answered(data).values()
        for truth in known
        if truth.known and truth.picks and not is_unseen(truth) and _is_readable(truth)
    ]


def _is_readable(truth: Truth) -> bool:
    try:
        pictures.open_captcha(truth.path)
    except BadImage:
        # `inventory` names it.
        return False
    return True


def _ask(model: keras.Model, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.concatenate(
        [
            np.asarray(model(pictures[start : start + 256], training=False))
            for start in range(0, len(pictures), 256)
        ]
    )


def _kept(name: str, root: Path) -> Entry:
    """The model whose other network is kept: the one of that name, else the built-in one."""
    try:
        return store.find(name, root=root)
    except ModelNotFound:
        return store.find("builtin", root=root)
