"""The LiteRT files of a model in float32 or in int8, and which of the two workers should load."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models import store
from models.art import captcha, fonts, pictures, strips
from models.convert import to_litert
from models.evaluate import Score, evaluate
from models.manifest import LITERT_BATCH, NETWORKS
from models.quantise import quantise
from models.reader import Reader
from models.settings import Settings
from models.store import Entry
from models.training import pictures as training_pictures
from models.truth import ANSWERS, truths

#: Folders of captchas with known answers, measured where they are at hand.
MEASURED = ("captchas", "captchas2016")
#: Pictures that activations are measured on.
_SAMPLES = 800
_SEED = 11
#: What the faster may lose, of a collection's captchas: one of fifty comes and goes with the
#: pictures that activations are measured on.
_TOLERATED = 0.03


def convert(
    entry: Entry, precision: str, *, name: str, root: Path, data: Path | None = None
) -> Entry:
    """Make the LiteRT files of a stored model anew, from its Keras files, and store it as `name`.

    For int8, activations are measured on drawn headers and on the tiles of `data`/captchas2016, or
    of `data`/tiles.npz, else on drawn ones. Raises ModelError.
    """
    files = {
        network: to_litert(store.load_network(entry, network), LITERT_BATCH[network])
        for network in NETWORKS
    }
    if precision == "int8":
        files = {
            network: quantise(file, _samples(network, data)) for network, file in files.items()
        }
    return store.put_litert(entry, files, precision, name=name, root=root)


def choose(entry: Entry, data: Path, *, say: Callable[[str], None]) -> Entry:
    """Measure a float32 model against itself in int8; keep the latter if it is as often right."""
    root, name = entry.folder.parent, entry.manifest.name
    exact = measure(entry, data)
    with tempfile.TemporaryDirectory() as folder:
        quantised = convert(entry, "int8", name=name, root=Path(folder), data=data)
        quick = measure(quantised, data)
        for precision, scores in (("float32", exact), ("int8", quick)):
            for where, score in scores.items():
                say(f"{precision}, {where}: {score}, {score.ms:.2f} ms a captcha")
        if any(
            quick[where].exact < score.exact - _TOLERATED * score.captchas
            or quick[where].words_right < score.words_right
            for where, score in exact.items()
        ):
            return annotate(entry, exact)
        files = {network: quantised.read(f"{network}.tflite") for network in NETWORKS}
    return annotate(store.put_litert(entry, files, "int8", name=name, root=root), quick)


def measure(entry: Entry, data: Path) -> dict[str, Score]:
    """How right a model is on the collections of `data`."""
    return {
        folder: evaluate(reader(entry), truths(data / folder))
        for folder in MEASURED
        if (data / folder / ANSWERS).is_file()
    }


def reader(entry: Entry) -> Reader:
    """One on the model's LiteRT files."""
    return Reader(Settings(model=entry.manifest.name, store=entry.folder.parent, engine="litert"))


def annotate(entry: Entry, scores: dict[str, Score]) -> Entry:
    """Note scores in a model's manifest: collection → its summary."""
    return store.annotate(entry, {where: score.summary() for where, score in scores.items()})


def _samples(network: str, data: Path | None) -> NDArray[np.uint8]:
    """Pictures of the network's input shape, uint8."""
    if network == "words":
        drawn = strips.draw_strips(_SAMPLES, seed=_SEED, faces=fonts.find())
        return np.repeat(drawn.images[..., np.newaxis], 3, axis=-1)
    if data is not None and (data / "captchas2016").is_dir():
        return training_pictures.cut(data / "captchas2016").tiles()
    if data is not None and (data / "tiles.npz").is_file():
        found = training_pictures.labelled(data / "tiles.npz").tiles()
        return found[:: len(found) // _SAMPLES + 1]
    with tempfile.TemporaryDirectory() as folder:
        captcha.generate(pictures.TILES, Path(folder), count=_SAMPLES // 8, seed=_SEED)
        return training_pictures.cut(Path(folder)).tiles()
