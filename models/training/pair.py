"""Both networks of a model, trained, measured and stored: ``tilefleet models train``."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras

from models import store
from models.datasets import own, photographs
from models.datasets import tiles as pictures
from models.datasets.collections import to_learn
from models.drawing.tiles import TILES
from models.store import Entry
from models.store.manifest import NETWORKS
from models.training import (
    blocks,
    calibrated,
    claims,
    precision,
    tiles,
    transfer,
    views,
    words,
)
from tilefleet.errors import ModelError, ModelNotFound
from tilefleet.kind import BUILTIN, Kind

#: Drawn headers that the words network's temperature is measured on.
_CALIBRATED_ON = 3000
#: Learning rate of a tiles network that goes on from another.
_GOING_ON_RATE = 1e-3
#: A short plan, for some ten words.
_QUICK_WORDS = {"strips": 2_500, "held_out": 500, "steps_per_epoch": 75, "batch": 32}
_QUICK_ROUND = words.Round(6, 4e-3)
_QUICK_TILES = {"epochs": 8, "steps_per_epoch": 60}


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
    kind: Kind = BUILTIN,
    base: str | None = None,
    quick: bool = False,
    mirrored: bool = False,
    few: bool = False,
    say: Callable[[str], None] = print,
) -> Entry:
    """Train what is asked for, take the rest from the model `name`, or the built-in one (of another
    kind than its: from `base`) if there is none of that name, and store both.

    `data` has tiles/ or tiles.npz and, for a teacher, captchas2016/; of another kind than the
    built-in's, what `models.datasets.own` says. `headers` (how many are drawn), `epochs` and
    `steps_per_epoch` take the place of the recipes' own; `hold_out` keeps two of the labelled
    pictures of each class out of training; `patience` epochs without a better one on held-out data
    end a round; `directory` keeps the state, which belongs to this data, these options and this
    code (`claims`), and is removed first if `fresh`. `base`: the stored model whose networks it
    goes on from; `quick`: by a short plan; `mirrored`: tiles of a kind of one's own show the same
    in a mirror; `few`: train also where words have too few tiles. The LiteRT files become int8
    where that is faster and loses no captcha, but not with `quick`. Raises ModelError, BadTiles,
    BadAnswers and BadCollection.
    """
    wanted = [only] if only else list(NETWORKS)
    if not replace:
        # Better before an hour of training than after it.
        store.check_free(name, root=root)
    taught = store.find(teacher, root=teacher_root) if teacher else None
    if taught and taught.manifest.kind.labels != kind.labels:
        raise ModelError(f"{taught.identity} cannot teach: it knows other words than {data} has")
    begun = store.find(base, root=teacher_root) if base else None
    plan = claims.plan(
        data,
        fonts=fonts,
        teacher=taught,
        headers=headers,
        hold_out=hold_out,
        kind=kind,
        base=begun,
        quick=quick,
        mirrored=mirrored,
        only=only,
        few=few,
        seed=seed,
        epochs=epochs,
        steps=steps_per_epoch,
        patience=patience,
    )
    for line in plan.found.lines():
        say(line)
    if begun:
        for network in wanted:
            transfer.check(begun, network, kind)
    others = {
        network: _kept(name, root, begun, network, kind) for network in set(NETWORKS) - set(wanted)
    }
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
            **_for_words(data, kind, begun, seed, quick=quick),
            **({**chosen, "strips": headers} if headers else chosen),
        )
    if "tiles" in wanted:
        say("training the tiles network")
        by_blocks = (
            None
            if kind != BUILTIN or begun
            else _by_blocks(
                data, teacher, teacher_root, directory / "tiles", seed, epochs, steps_per_epoch, say
            )
        )
        made["tiles"] = by_blocks or tiles.train(
            *to_learn(data, kind),
            teacher=teacher,
            root=teacher_root,
            directory=directory / "tiles",
            hold_out=hold_out,
            seed=seed,
            **{**_for_tiles(kind, begun, seed, quick=quick, mirrored=mirrored), **chosen},
        )
    made |= others
    for network, (model, how) in made.items():
        if network in wanted:
            how["belongs"] = dict(plan.belongs[network])
            if network == "tiles" and plan.found.few:
                how["too few pictures of"] = plan.found.few
            temperature = calibrated.calibrate(
                network, model, data, fonts=fonts, kind=kind, count=_CALIBRATED_ON
            )
            how["temperature"] = round(temperature, 3)
            say(f"{network}: temperature {how['temperature']}")
            if network == "tiles" and kind != BUILTIN:
                how["kept tiles"] = calibrated.right(model, data, kind)
                say("tiles that were kept: {right} of {pictures} right".format(**how["kept tiles"]))
    entry = store.save(
        name,
        {network: model for network, (model, _) in made.items()},
        training={network: how for network, (_, how) in made.items()},
        evaluation={},
        kind=kind,
        root=root,
        replace=replace,
    )
    if not quick:
        entry = precision.choose(entry, data, say=say)
    return calibrated.sharpen(entry, data, say=say)


def _for_words(
    data: Path, kind: Kind, begun: Entry | None, seed: int, *, quick: bool
) -> dict[str, Any]:
    """What a words network is trained with beside its recipe's numbers."""
    given: dict[str, Any] = {"kind": kind}
    if kind != BUILTIN:
        images, labels = own.headers(data, kind)
        if len(images) or kind.layout.header != BUILTIN.layout.header:
            given["real"] = words.Real(images, labels)
    if begun:
        keras.utils.set_random_seed(seed)
        given |= {"begun": transfer.go_on(begun, "words", kind), "rounds": words.GOING_ON}
    if quick:
        epochs = _QUICK_ROUND.epochs * kind.layout.words
        given |= {**_QUICK_WORDS, "rounds": [replace(_QUICK_ROUND, epochs=epochs)]}
    return given


def _for_tiles(
    kind: Kind, begun: Entry | None, seed: int, *, quick: bool, mirrored: bool
) -> dict[str, Any]:
    """The same of a tiles network."""
    given: dict[str, Any] = {"kind": kind}
    if kind == BUILTIN:
        given["drawn"] = TILES
    else:
        # What a mirror makes another thing of, such as letters, its parts are, too.
        zoomed = tiles.Recipe().zoomed if mirrored else 0.0
        given["recipe"] = tiles.Recipe(mirrored=mirrored, zoomed=zoomed)
    if begun:
        keras.utils.set_random_seed(seed)
        given |= {
            "begun": transfer.go_on(begun, "tiles", kind),
            "peak_learning_rate": _GOING_ON_RATE,
        }
    return given | _QUICK_TILES if quick else given


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


def _kept(
    name: str, root: Path, begun: Entry | None, network: str, kind: Kind
) -> tuple[keras.Model, Any]:
    """A network that is not trained, and how it was: of the model of that name, else of the one
    that is gone on from, else of the built-in one. Raises ModelError."""
    try:
        old = store.find(name, root=root)
    except ModelNotFound:
        if begun is None and kind != BUILTIN:
            raise ModelError(
                f"there is no model {name!r} whose {network} network could be kept; train both, or "
                "give --from NAME"
            ) from None
        old = begun or store.find("builtin", root=root)
    return transfer.kept(old, network, kind), old.manifest.training.get(network)
