"""Many header strips with their labels, drawn on all cores: what a words network learns from."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.drawing import fonts, header
from tilefleet.geometry import HEADER_HEIGHT, HEADER_WIDTH
from tilefleet.labels import LABELS, NONE

#: Marks a word that is none of the 80 in `Strips.labels`.
UNKNOWN = -1

#: Strips drawn by one task of the pool.
_CHUNK = 500
#: Shares: of headers with two words and of the noisy kind, of words that are none of the 80.
_TWO, _NOISY, _STRANGE = 0.5, 0.5, 0.15
#: The characters of GB 2312's first level, the 3,755 most frequent ones: rows 16 to 55.
_FREQUENT = [
    bytes((row, column)).decode("gb2312")
    for row in range(0xB0, 0xD8)
    for column in range(0xA1, 0xFF if row < 0xD7 else 0xFA)
]


_OURS = sorted(set("".join(LABELS)))


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
    for index in range(count):
        texts = []
        for word in range(1 + (rng.random() < _TWO)):
            if rng.random() < _STRANGE:
                texts.append(_strange_word(rng))
                labels[index, word] = UNKNOWN
            else:
                known = int(rng.integers(len(LABELS)))
                texts.append(LABELS[known])
                labels[index, word] = known
        able = [face for face in faces if all(fonts.has(face, text) for text in "".join(texts))]
        noisy = bool(rng.random() < _NOISY)
        # Where no font has a character, its sign for "missing" is as strange.
        drawn = header.draw(texts, rng, faces=able or faces, noisy=noisy)
        images[index] = header.compress(drawn, rng)
    return Strips(images, labels)


def _strange_word(rng: np.random.Generator) -> str:
    """A label with another character in one place, or any frequent characters: no label."""
    while True:
        if rng.random() < 0.5:
            characters = list(LABELS[int(rng.integers(len(LABELS)))])
            characters[int(rng.integers(len(characters)))] = _any_character(rng)
        else:
            length = int(rng.choice([1, 2, 3], p=[0.1, 0.6, 0.3]))
            characters = [_any_character(rng) for _ in range(length)]
        word = "".join(characters)
        if word not in LABELS:
            return word


def _any_character(rng: np.random.Generator) -> str:
    """One of the labels' as often as one of the others."""
    if rng.random() < 0.5:
        return _OURS[int(rng.integers(len(_OURS)))]
    return _FREQUENT[int(rng.integers(len(_FREQUENT)))]
