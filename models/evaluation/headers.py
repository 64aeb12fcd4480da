"""How many drawn headers a model reads, in fonts that it was not trained with."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.drawing import fonts, header
from models.engines.reader import Reader
from models.recognition.crops import Crops
from tilefleet.geometry import TILE
from tilefleet.labels import LABELS

_SEED = 2017


def read_headers(reader: Reader, count: int, *, font_folders: Sequence[Path]) -> dict[str, float]:
    """The share of `count` headers of each kind whose words are all right, in held-out fonts."""
    _, held_out = fonts.faces(font_folders)
    tiles = np.zeros((8, TILE, TILE, 3), np.uint8)
    shares = {}
    for noisy in (False, True):
        for words in (1, 2):
            rng = np.random.default_rng([_SEED, noisy, words])
            right = 0
            for _ in range(count):
                asked = [LABELS[label] for label in rng.integers(0, len(LABELS), words)]
                drawn = header.draw(asked, rng, faces=held_out, noisy=noisy)
                strip = np.repeat(header.compress(drawn, rng)[..., np.newaxis], 3, axis=-1)
                (answer,) = reader.read_prepared([Crops(strip, tiles)])
                right += [word.label for word in answer.words] == asked
            kind = f"{'noisy' if noisy else 'plain'}, {'two words' if words == 2 else 'one word'}"
            shares[kind] = right / count
    return shares
