"""Both networks of a model, trained, measured and stored: ``tilefleet models train``."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras

from models import store
from models.art.pictures import TILES
from models.errors import BadTiles, ModelNotFound
from models.evaluate import evaluate, truths
from models.manifest import NETWORKS
from models.reader import Reader
from models.settings import Settings
from models.store import Entry
from models.training import tiles, words

#: Folders of captchas with known answers, measured where they are at hand.
_MEASURED = ("captchas", "captchas2016")


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
    directory: Path,
    say: Callable[[str], None] = print,
) -> Entry:
    """Train what is asked for, take the rest from the model `name` as it is, and store both.

    `data` has tiles/ and, for a teacher, captchas2016/; `headers` (how many are drawn), `epochs`
    and `steps_per_epoch` take the place of the recipes' own; `directory` keeps the state. Raises
    ModelError and BadTiles.
    """
    if not (data / "tiles").is_dir():
        raise BadTiles(f"{data} has no folder tiles/ with labelled pictures")
    wanted = [only] if only else list(NETWORKS)
    if only:
        replace = True
    elif not replace:
        # Better before an hour of training than after it.
        store.check_free(name, root=root)
    length = {"epochs": epochs, "steps_per_epoch": steps_per_epoch}
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
        made["tiles"] = tiles.train(
            labelled=data / "tiles",
            unlabelled=data / "captchas2016" if (data / "captchas2016").is_dir() else None,
            drawn=TILES,
            teacher=teacher,
            root=teacher_root,
            directory=directory / "tiles",
            seed=seed,
            **chosen,
        )
    for network in set(NETWORKS) - set(made):
        old = _existing(name, network, root)
        made[network] = (store.load_network(old, network), old.manifest.training.get(network))
    entry = store.save(
        name,
        {network: model for network, (model, _) in made.items()},
        training={network: how for network, (_, how) in made.items()},
        evaluation={},
        root=root,
        replace=replace,
    )
    return measure(entry, data, say=say)


def measure(entry: Entry, data: Path, *, say: Callable[[str], None]) -> Entry:
    """Write into the manifest how often the model is right on the captchas of `data`."""
    reader = Reader(Settings(model=entry.manifest.name, store=entry.folder.parent, engine="litert"))
    figures = {}
    for folder in _MEASURED:
        if (data / folder / "answers.csv").is_file():
            score = evaluate(reader, [truth for truth in truths(data / folder) if truth.known])
            say(f"{folder}: {score}")
            figures[folder] = score.encode()
    return store.annotate(entry, figures)


def _existing(name: str, network: str, root: Path) -> Entry:
    try:
        return store.find(name, root=root)
    except ModelNotFound as error:
        raise ModelNotFound(f"no {network} network to keep: {error}") from None
