"""Networks and answers made as sure as they are right, on what nothing was learned from."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import keras
import numpy as np
from numpy.typing import NDArray

from models import store
from models.datasets import own
from models.datasets.collections import answered, is_unseen
from models.datasets.tiles import open_captcha
from models.datasets.truth import Truth
from models.drawing.fonts import faces
from models.drawing.strips import draw_strips
from models.evaluation.score import outcomes
from models.recognition.crops import Crops
from models.store import Entry
from models.training.finish import calibration, precision
from tilefleet.errors import BadImage
from tilefleet.kind import BUILTIN, Kind

#: Of another kind than the built-in's: tiles, and captchas, to calibrate on at least.
_LEAST_TILES: Final = 40
_LEAST: Final = 20
_SEED: Final = 77
_MAX_BYTES: Final = 1 << 20


def calibrate(
    network: str,
    model: keras.Model,
    data: Path,
    *,
    fonts: Sequence[Path],
    kind: Kind,
    count: int,
) -> float:
    """Give a trained network its temperature, from headers and captchas it was not trained on; of
    another kind than the built-in's, from tiles in the place of captchas. `count`: of headers."""
    if network == "words":
        _, held_out = faces(fonts, kind)
        drawn = draw_strips(count, seed=_SEED, faces=held_out, kind=kind)
        pictures = np.repeat(drawn.images[..., np.newaxis], 3, axis=-1)
        nll = calibration.of_words(_ask(model, pictures), drawn.labels)
    elif kind != BUILTIN:
        kept = own.labelled(data, kind).calibrated
        if len(kept) < _LEAST_TILES:
            return 1.0
        nll = calibration.of_pictures(_ask(model, kept.tiles()), kept.labels)
    else:
        known = captchas(data)
        if not known:
            return 1.0
        crops = [
            Crops.from_bytes(truth.path.read_bytes(), BUILTIN.layout, max_bytes=_MAX_BYTES)
            for truth in known
        ]
        nll = calibration.of_tiles(
            np.stack([_ask(model, crop.tiles) for crop in crops]),
            [[BUILTIN.index[word] for word in truth.words] for truth in known],
            [truth.picks for truth in known],
        )
    temperature = calibration.best(nll)
    calibration.apply(model, temperature)
    return temperature


def right(model: keras.Model, data: Path, kind: Kind) -> dict[str, int]:
    """Of the labelled tiles of a kind of one's own that are only measured: how many there are, and
    of how many the network's best label is theirs."""
    kept = own.labelled(data, kind).measured
    found = _ask(model, kept.tiles()).argmax(axis=1) == kept.labels if len(kept) else np.zeros(0)
    return {"pictures": len(kept), "right": int(found.sum())}


def sharpen(entry: Entry, data: Path, *, say: Callable[[str], None]) -> Entry:
    """Calibrate the confidence of whole answers, and measure them again."""
    kind = entry.manifest.kind
    known = captchas(data, kind)
    if len(known) < (1 if kind == BUILTIN else _LEAST):
        return entry if kind == BUILTIN else precision.annotate(entry, data)
    found = outcomes(precision.reader(entry, "float32"), known)
    chosen = calibration.sharpness(
        np.array([each.confidence for each in found]), np.array([each.exact for each in found])
    )
    # On top of what it was before: sharpening twice is sharpening by the product.
    chosen *= entry.manifest.sharpness
    say(f"confidence: sharpness {chosen:.2f}")
    entry = store.annotate(entry, {}, sharpness=round(chosen, 3))
    return precision.annotate(entry, data)


def captchas(data: Path, kind: Kind = BUILTIN) -> list[Truth]:
    """Those with known answers that networks are calibrated on; none if there are none."""
    if kind != BUILTIN:
        chosen = own.calibrated_captchas(data, kind)
    else:
        every = [truth for known in answered(data).values() for truth in known]
        chosen = [truth for truth in every if not is_unseen(truth)]
    return [truth for truth in chosen if truth.known and truth.picks and _is_readable(truth, kind)]


def _is_readable(truth: Truth, kind: Kind) -> bool:
    try:
        open_captcha(truth.path, kind)
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
