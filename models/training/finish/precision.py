"""The LiteRT files of a model, in float32, int8 or mixed, and which of them workers should load."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models import store
from models.datasets import own
from models.datasets.collections import answered
from models.datasets.split import seen
from models.datasets.tiles import cut, labelled
from models.drawing import captchas, fonts, strips
from models.drawing.tiles import TILES
from models.engines.reader import Reader
from models.evaluation.score import Score, evaluate
from models.runtimes.convert import to_litert
from models.runtimes.quantise import quantise
from models.store import Entry
from models.store.manifest import NETWORKS, PRECISIONS, litert_batch
from tilefleet.errors import BadTiles, ModelError
from tilefleet.kind import BUILTIN, Kind
from tilefleet.settings import Settings

#: Pictures that activations are measured on; of whole collections so many at the most: with tiles
#: of several years int8 answers more like float32.
_SAMPLES, _MOST_SAMPLES = 800, 2400
_COLLECTIONS = ("captchas2016", "captchas2020")
_SEED = 11
#: What the faster may lose, of a collection's captchas: one of fifty comes and goes with the
#: pictures that activations are measured on.
_TOLERATED = 0.03


def convert(
    entry: Entry, precision: str, *, name: str, root: Path, data: Path | None = None
) -> Entry:
    """Make the LiteRT files of a stored model anew, from its Keras files, and store it as `name`.

    For int8, activations are measured on drawn headers and on the tiles of `data`/captchas2016 and
    captchas2020, or of `data`/tiles.npz, else on drawn ones; those of a kind of one's own are in
    its `data` only. Raises ModelError.
    """
    files = {
        network: to_litert(
            store.load_network(entry, network), litert_batch(entry.manifest.kind)[network]
        )
        for network in NETWORKS
    }
    for network in PRECISIONS[precision]:
        files[network] = quantise(files[network], _samples(network, data, entry.manifest.kind))
    return store.put_litert(entry, files, precision, name=name, root=root)


def choose(entry: Entry, data: Path, *, say: Callable[[str], None]) -> Entry:
    """Measure a float32 model in every precision, and keep int8 files beside the others, of both
    networks or of the words alone, unless they lose captchas: the engine takes the faster ones."""
    name = entry.manifest.name
    exact = {network: entry.read(f"{network}.tflite") for network in NETWORKS}
    kind = entry.manifest.kind
    if kind != BUILTIN and (why := _nothing_to_compare(data, kind)):
        say(f"in int8 beside float32: nothing, as {why}")
        return entry
    small = {
        network: quantise(file, _samples(network, data, kind)) for network, file in exact.items()
    }
    scores = {}
    for precision, quick in PRECISIONS.items():
        made = {network: (small if network in quick else exact)[network] for network in NETWORKS}
        with tempfile.TemporaryDirectory() as folder:
            tried = store.put_litert(entry, made, precision, name=name, root=Path(folder))
            scores[precision] = measure(tried, data)
        for where, score in scores[precision].items():
            say(f"{precision}, {where}: {score}, {score.ms:.2f} ms a captcha")
    chosen = next(each for each in scores if not _loses(scores[each], scores["float32"]))
    say(f"in int8 beside float32: {' and '.join(PRECISIONS[chosen]) or 'nothing'}")
    return store.put_litert(
        entry,
        exact,
        "float32",
        name=name,
        root=entry.folder.parent,
        beside={network: small[network] for network in PRECISIONS[chosen]},
    )


def _nothing_to_compare(data: Path, kind: Kind) -> str:
    """Why int8 cannot be measured for a kind of one's own; empty if it can."""
    if not any(answered(data, kind).values()):
        return "there are no captchas with answers to compare on"
    try:
        own.labelled(data, kind)
    except BadTiles:
        return "there are no labelled tiles to measure activations on"
    return ""


def _loses(scores: dict[str, Score], exact: dict[str, Score]) -> bool:
    return any(
        scores[where].exact < score.exact - _TOLERATED * score.captchas
        or scores[where].words_right < score.words_right
        for where, score in exact.items()
    )


def measure(entry: Entry, data: Path, precision: str = "auto") -> dict[str, Score]:
    """How right a model is on the collections of `data`."""
    one = reader(entry, precision)
    return {
        name: evaluate(one, [each for each in known if each.picks])
        for name, known in answered(data, entry.manifest.kind).items()
    }


def reader(entry: Entry, precision: str = "auto") -> Reader:
    """One on the model's LiteRT files."""
    return Reader(
        Settings(
            models=(entry.manifest.name,),
            store=entry.folder.parent,
            engine="litert",
            precision=precision,
        )
    )


def annotate(entry: Entry, data: Path) -> Entry:
    """Measure a model, and note it in its manifest: collection → its summary, with "int8" behind
    its name for what the files in int8 make of it."""
    scores = measure(entry, data, "float32")
    if entry.manifest.in_int8:
        quick = measure(entry, data, "int8")
        scores |= {f"{where}, int8": score for where, score in quick.items()}
    return store.annotate(entry, {where: score.summary() for where, score in scores.items()})


def _samples(network: str, data: Path | None, kind: Kind) -> NDArray[np.uint8]:
    """Pictures of the network's input shape, uint8."""
    if network == "words":
        faces = fonts.find() if kind == BUILTIN else fonts.faces((), kind)[0]
        drawn = strips.draw_strips(_SAMPLES, seed=_SEED, faces=faces, kind=kind)
        return np.repeat(drawn.images[..., np.newaxis], 3, axis=-1)
    if kind != BUILTIN:
        if data is None:
            raise ModelError("tiles of this kind are in its --data alone: int8 is measured on some")
        found = own.labelled(data, kind).learned.tiles()
        return found[:: len(found) // _SAMPLES + 1]
    if data is not None:
        if there := [data / name for name in _COLLECTIONS if (data / name).is_dir()]:
            found = np.concatenate([cut(each, seen).tiles() for each in there])
            return found[:: len(found) // _MOST_SAMPLES + 1]
        if (data / "tiles.npz").is_file():
            found = labelled(data / "tiles.npz").tiles()
            return found[:: len(found) // _SAMPLES + 1]
    with tempfile.TemporaryDirectory() as folder:
        count = _SAMPLES // kind.layout.count
        captchas.generate(TILES, Path(folder), count=count, seed=_SEED)
        return cut(Path(folder)).tiles()
