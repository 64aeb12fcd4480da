"""Both networks of a model, trained, measured and stored: ``tilefleet models train``."""

from collections.abc import Callable, Sequence
from dataclasses import replace as replace_fields
from pathlib import Path
from typing import Any

import keras

from models import store
from models.datasets import own, photographs
from models.datasets.collections import to_learn
from models.datasets.tiles import drawn
from models.drawing.tiles import TILES
from models.store import Entry
from models.store.manifest import NETWORKS
from models.training import blocks, claims, tiles, transfer, words
from models.training.finish import calibrated, precision
from models.training.options import Options
from models.training.schedule import Schedule
from models.training.teachers import views
from tilefleet.errors import ModelError, ModelNotFound
from tilefleet.kind import BUILTIN, Kind

#: Drawn headers that the words network's temperature is measured on, and those by the short plan.
_CALIBRATED_ON = 3000
_CALIBRATED_QUICKLY = 1000


def train_pair(
    data: Path,
    options: Options,
    *,
    fonts: Sequence[Path],
    teachers: Sequence[str],
    name: str,
    root: Path,
    teacher_root: Path | None = None,
    replace: bool = False,
    directory: Path,
    fresh: bool = False,
    kind: Kind = BUILTIN,
    base: str | None = None,
    say: Callable[[str], None] = print,
) -> Entry:
    """Train what is asked for, take the rest from the model `name`, or the built-in one (of another
    kind than its: from `base`) if there is none of that name, and store both.

    `data` has tiles/ or tiles.npz and, for a teacher, captchas2016/; of another kind than the
    built-in's, what `models.datasets.own` says. `directory` keeps the state, which belongs to this
    data, these options and this code (`claims`), and is removed first if `fresh`. `base`: the
    stored model whose networks it goes on from. The LiteRT files become int8 where that is faster
    and loses no captcha, but not by the short plan. Raises ModelError, BadTiles, BadAnswers and
    BadCollection.
    """
    wanted = [options.only] if options.only else list(NETWORKS)
    if not replace:
        # Better before an hour of training than after it.
        store.check_free(name, root=root)
    taught = [store.find(teacher, root=teacher_root) for teacher in teachers]
    for teacher in taught:
        if teacher.manifest.kind.labels != kind.labels:
            raise ModelError(
                f"{teacher.identity} cannot teach: it knows other words than {data} has"
            )
    begun = store.find(base, root=teacher_root) if base else None
    by_blocks = "tiles" in wanted and kind == BUILTIN and not begun and _have_maps(taught)
    if "tiles" in wanted and len(taught) > 1 and not by_blocks:
        raise ModelError(
            f"only by blocks do several teach: from random weights, the built-in's words, and with "
            f"a first teacher that has the maps for it, not {taught[0].identity}"
        )
    plan = claims.plan(data, options, fonts=fonts, teachers=taught, kind=kind, base=begun)
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
    made: dict[str, tuple[keras.Model, Any]] = {}
    if "words" in wanted:
        say("training the words network")
        made["words"] = words.train(
            directory=directory / "words",
            font_folders=fonts,
            kind=kind,
            **_for_words(data, options, kind, begun),
        )
    if "tiles" in wanted:
        say("training the tiles network")
        if by_blocks:
            made["tiles"] = _by_blocks(data, options, taught, directory / "tiles", say)
        else:
            made["tiles"] = tiles.train(
                *to_learn(data, kind),
                teacher=teachers[0] if teachers else None,
                root=teacher_root,
                directory=directory / "tiles",
                hold_out=options.hold_out,
                kind=kind,
                **_for_tiles(options, kind, begun),
            )
    made |= others
    for network, (model, how) in made.items():
        if network in wanted:
            how["belongs"] = dict(plan.belongs[network])
            if network == "tiles" and plan.found.few:
                how["too few pictures of"] = plan.found.few
            count = _CALIBRATED_QUICKLY if options.quick else _CALIBRATED_ON
            temperature = calibrated.calibrate(
                network, model, data, fonts=fonts, kind=kind, count=count
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
    if not options.quick:
        entry = precision.choose(entry, data, say=say)
    return calibrated.sharpen(entry, data, say=say)


def _have_maps(teachers: Sequence[Entry]) -> bool:
    """Whether there is a first teacher whose maps blocks can learn."""
    return bool(teachers and views.milestones(store.load_network(teachers[0], "tiles")))


def _for_words(data: Path, options: Options, kind: Kind, begun: Entry | None) -> dict[str, Any]:
    """What a words network is trained with, by its options."""
    given: dict[str, Any] = {}
    rounds: Sequence[Schedule] = words.ROUNDS
    recipe = words.Recipe()
    if kind != BUILTIN:
        images, labels = own.headers(data, kind)
        if len(images) or kind.layout.header != BUILTIN.layout.header:
            given["real"] = words.Real(images, labels)
    if begun:
        keras.utils.set_random_seed(options.seed)
        given["begun"] = transfer.go_on(begun, "words", kind)
        rounds = words.GOING_ON
    if options.quick:
        epochs = words.QUICK_ROUND.epochs * kind.layout.words
        rounds, recipe = [replace_fields(words.QUICK_ROUND, epochs=epochs)], words.QUICK
    if options.headers:
        recipe = replace_fields(recipe, strips=options.headers)
    return {**given, "rounds": [options.schedule(each) for each in rounds], "recipe": recipe}


def _for_tiles(options: Options, kind: Kind, begun: Entry | None) -> dict[str, Any]:
    """The same of a tiles network."""
    given: dict[str, Any] = {}
    schedule = tiles.GOING_ON if begun else tiles.SCHEDULE
    if kind == BUILTIN:
        given["drawn"] = TILES
    else:
        # What a mirror makes another thing of, such as letters, its parts are, too.
        zoomed = tiles.Recipe().zoomed if options.mirrored else 0.0
        given["recipe"] = tiles.Recipe(mirrored=options.mirrored, zoomed=zoomed)
    if begun:
        keras.utils.set_random_seed(options.seed)
        given["begun"] = transfer.go_on(begun, "tiles", kind)
    if options.quick:
        schedule = replace_fields(schedule, **tiles.QUICK)
    return {**given, "schedule": options.schedule(schedule)}


def _by_blocks(
    data: Path,
    options: Options,
    teachers: Sequence[Entry],
    directory: Path,
    say: Callable[[str], None],
) -> tuple[keras.Model, Any]:
    """Tiles learned by blocks; `epochs` of the options are those of each phase."""
    phases = blocks.Phases(seed=options.seed)
    if options.epochs:
        epochs = dict.fromkeys(("alone", "whole", "head", "odds"), options.epochs)
        phases = replace_fields(phases, **epochs)
    if options.steps:
        # As many views as are learnt from, at the most.
        shards = min(phases.shards, -(-options.steps * phases.batch // views.SHARD))
        phases = replace_fields(phases, steps=options.steps, shards=shards)
    return blocks.train(
        sources(data),
        teachers=teachers,
        weights=options.weights,
        directory=directory,
        phases=phases,
        say=say,
    )


def sources(data: Path) -> views.Sources:
    """The pictures of a folder that tiles are learned from."""
    photos = data / photographs.FILENAME
    known, cut = to_learn(data)
    return views.Sources(
        known + cut if cut else known,
        photographs.photographs(photos) if photos.is_file() else None,
        drawn(TILES),
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
