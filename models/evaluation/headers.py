"""How many drawn headers a model reads, in fonts that it was not trained with."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.drawing import fonts, header
from models.engines.reader import Reader
from models.recognition.crops import Crops

_SEED = 2017


def read_headers(reader: Reader, count: int, *, font_folders: Sequence[Path]) -> dict[str, float]:
    """The share of `count` headers of each kind whose words are all right, in held-out fonts."""
    kind = reader.engine.kind
    _, held_out = fonts.faces(font_folders, kind)
    tiles = np.zeros((kind.layout.count, *kind.layout.tile_shape, 3), np.uint8)
    shares = {}
    for noisy in (False, True):
        for words in range(1, kind.layout.words + 1):
            rng = np.random.default_rng([_SEED, noisy, words])
            right = 0
            for _ in range(count):
                asked = [kind.labels[label] for label in rng.integers(0, len(kind.labels), words)]
                drawn = header.draw(asked, rng, faces=held_out, noisy=noisy, kind=kind)
                strip = np.repeat(header.compress(drawn, rng)[..., np.newaxis], 3, axis=-1)
                (answer,) = reader.read_prepared([Crops(strip, tiles)])
                right += [word.label for word in answer.words] == asked
            name = f"{'noisy' if noisy else 'plain'}, {'two words' if words == 2 else 'one word'}"
            shares[name] = right / count
    return shares
