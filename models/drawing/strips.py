"""Many header strips with their labels, drawn on all cores: what a words network learns from."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.drawing import fonts, header, strange
from tilefleet.kind import BUILTIN, Kind

#: Marks a word that is none of the labels in `Strips.labels`.
UNKNOWN = -1

#: Strips drawn by one task of the pool.
_CHUNK = 500
#: Shares: of headers with two words and of the noisy kind, of words that are no label.
_TWO, _NOISY, _STRANGE = 0.5, 0.5, 0.15


@dataclass(frozen=True, slots=True)
class Strips:
    """Drawn headers."""

    #: uint8 (n, height, width), grey.
    images: NDArray[np.uint8]
    #: int16 (n, words): the words' classes, the last one for none, or UNKNOWN.
    labels: NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.images)


def draw_strips(count: int, *, seed: int, faces: Sequence[Path], kind: Kind = BUILTIN) -> Strips:
    """Draw `count` headers on all cores; the same for the same seed, fonts and kind."""
    tasks = [
        (seed, start, min(_CHUNK, count - start), faces, kind) for start in range(0, count, _CHUNK)
    ]
    if len(tasks) == 1:
        # Sooner drawn than a process is started.
        return _draw_chunk(tasks[0])
    # Not forked: TensorFlow's threads do not survive that.
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        parts = list(pool.map(_draw_chunk, tasks))
    return Strips(
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.labels for part in parts]),
    )


def _draw_chunk(task: tuple[int, int, int, Sequence[Path], Kind]) -> Strips:
    seed, start, count, faces, kind = task
    rng = np.random.default_rng([seed, start])
    images = np.empty((count, *kind.layout.header_shape), np.uint8)
    labels = np.full((count, kind.layout.words), kind.none, np.int16)
    for index in range(count):
        texts = []
        for word in range(min(1 + (rng.random() < _TWO), kind.layout.words)):
            if rng.random() < _STRANGE:
                texts.append(strange.word(rng, kind))
                labels[index, word] = UNKNOWN
            else:
                known = int(rng.integers(len(kind.labels)))
                texts.append(kind.labels[known])
                labels[index, word] = known
        able = [face for face in faces if all(fonts.has(face, text) for text in "".join(texts))]
        noisy = bool(rng.random() < _NOISY)
        # Where no font has a character, its sign for "missing" is as strange.
        drawn = header.draw(texts, rng, faces=able or faces, noisy=noisy, kind=kind)
        images[index] = header.compress(drawn, rng)
    return Strips(images, labels)
