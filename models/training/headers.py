"""The fonts that headers are drawn in, and how many of them a model reads."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.art import fonts, header
from models.captcha import Crops
from models.geometry import TILE
from models.labels import LABELS
from models.reader import Reader

#: Fonts that nothing is trained with, where they are found: held-out headers are drawn in them.
HELD_OUT_FONTS = ("wqy-zenhei.ttc", "gkai00mp.ttf")

_SEED = 2017


def faces(folders: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Fonts with every label's character: those to train with, and the held-out ones.

    Where none of the latter is found, the former serve for both.
    """
    found = fonts.find(folders, needed="".join(LABELS))
    familiar = [face for face in found if face.name not in HELD_OUT_FONTS]
    return familiar, [face for face in found if face not in familiar] or familiar


def read_headers(reader: Reader, count: int, *, font_folders: Sequence[Path]) -> dict[str, float]:
    """The share of `count` headers of each kind whose words are all right, in held-out fonts."""
    _, strange = faces(font_folders)
    tiles = np.zeros((8, TILE, TILE, 3), np.uint8)
    shares = {}
    for noisy in (False, True):
        for words in (1, 2):
            rng = np.random.default_rng([_SEED, noisy, words])
            right = 0
            for _ in range(count):
                asked = [LABELS[label] for label in rng.integers(0, len(LABELS), words)]
                drawn = header.draw(asked, rng, faces=strange, noisy=noisy)
                strip = np.repeat(header.compress(drawn, rng)[..., np.newaxis], 3, axis=-1)
                (answer,) = reader.read_prepared([Crops(strip, tiles)])
                right += [word.label for word in answer.words] == asked
            kind = f"{'noisy' if noisy else 'plain'}, {'two words' if words == 2 else 'one word'}"
            shares[kind] = right / count
    return shares
