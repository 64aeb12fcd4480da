"""Many header strips with their labels, drawn on all cores: what a words network learns from."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.art import header
from models.geometry import HEADER_HEIGHT, HEADER_WIDTH
from models.labels import LABELS, NONE

#: Marks a word that is none of the 80 in `Strips.labels`.
UNKNOWN = -1

#: Strips drawn by one task of the pool.
_CHUNK = 500
#: Shares of headers: with two words, of the noisy kind, with unknown words.
_TWO, _NOISY, _STRANGE = 0.45, 0.35, 0.08


@dataclass(frozen=True, slots=True)
class Strips:
    """Drawn headers."""

    #: uint8 (n, 28, 176), grey.
    images: NDArray[np.uint8]
    #: int16 (n, 2): classes of both words, NONE or UNKNOWN.
    labels: NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.images)


def draw_strips(count: int, *, seed: int, faces: Sequence[Path]) -> Strips:
    """Draw `count` headers on all cores; the same for the same seed and fonts."""
    tasks = [(seed, start, min(_CHUNK, count - start), faces) for start in range(0, count, _CHUNK)]
    # Not forked: TensorFlow's threads do not survive that.
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        parts = list(pool.map(_draw_chunk, tasks))
    return Strips(
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.labels for part in parts]),
    )


def _draw_chunk(task: tuple[int, int, int, Sequence[Path]]) -> Strips:
    seed, start, count, faces = task
    rng = np.random.default_rng([seed, start])
    images = np.empty((count, HEADER_HEIGHT, HEADER_WIDTH), np.uint8)
    labels = np.full((count, 2), NONE, np.int16)
    characters = sorted(set("".join(LABELS)))
    for index in range(count):
        texts = []
        strange = rng.random() < _STRANGE
        for word in range(1 + (rng.random() < _TWO)):
            known = int(rng.integers(len(LABELS)))
            labels[index, word] = UNKNOWN if strange else known
            texts.append(_strange_word(characters, rng) if strange else LABELS[known])
        noisy = bool(rng.random() < _NOISY)
        images[index] = header.compress(header.draw(texts, rng, faces=faces, noisy=noisy), rng)
    return Strips(images, labels)


def _strange_word(characters: Sequence[str], rng: np.random.Generator) -> str:
    """One to three of the labels' characters in an order that is no label."""
    while True:
        length = int(rng.choice([1, 2, 3], p=[0.1, 0.6, 0.3]))
        word = "".join(characters[index] for index in rng.integers(0, len(characters), length))
        if word not in LABELS:
            return word
