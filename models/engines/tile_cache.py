"""Tiles seen before, answered without the network: the site drew its tiles from a finite pool.

`TILEFLEET_TILE_CACHE` says how many pictures are kept; 0, the default, keeps none. A tile counts as
seen if its colour signature is nearly that of one that the network has read
(`models.recognition.fingerprint`, under a much stricter threshold than grouping uses: a wrong group
costs one label, a wrong match an answer).
"""

from collections.abc import Callable
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from models.recognition import fingerprint
from models.recognition.picks import Probabilities
from tilefleet.kind import Kind

#: Half the squared distance of signatures up to which two tiles are the same picture. Measured by
#: `python -m benchmarks.tile_cache`.
THRESHOLD = 0.03
#: Tables by which near signatures are found, each with a key of this many bits: comparing with all
#: that is kept takes longer than the network.
_TABLES, _BITS = 16, 14


class TileCache:
    """The last `size` pictures that were not known, with what the network saw. For all sessions."""

    def __init__(self, size: int, kind: Kind) -> None:
        self.hits = self.misses = 0
        self._size = size
        self._labels = len(kind.labels)
        self._lock = Lock()
        # Fixed, so that every worker knows the same pictures again.
        length = fingerprint.colour(np.zeros((1, *kind.layout.tile_shape, 3), np.uint8)).shape[1]
        self._directions = np.random.default_rng(0).standard_normal(
            (length, _TABLES * _BITS), np.float32
        )
        #: Key → where in the ring the last picture with that key is, for each table.
        self._tables: list[dict[int, int]] = [{} for _ in range(_TABLES)]
        #: In a ring: signatures, their keys, and what the network gave.
        self._vectors = np.zeros((size, length), np.float32)
        self._keys = np.zeros((size, _TABLES), np.int64)
        self._answers = np.zeros((size, self._labels), np.float32)
        self._used = self._next = 0

    def read(
        self, tiles: NDArray[np.uint8], network: Callable[[NDArray[np.uint8]], Probabilities]
    ) -> Probabilities:
        """uint8 (n, h, w, 3) → float32 (n, labels), by `network` what was not seen before."""
        vectors = fingerprint.colour(tiles)
        keys = fingerprint.keys(vectors, self._directions, tables=_TABLES)
        answers = np.empty((len(tiles), self._labels), np.float32)
        unknown = self._look_up(vectors, keys, answers)
        if unknown:
            answers[unknown] = network(tiles[unknown])
            self._keep(vectors[unknown], keys[unknown], answers[unknown])
        return answers

    def stats(self) -> dict[str, int]:
        """For ``celery inspect stats``."""
        return {"kept": self._used, "hits": self.hits, "misses": self.misses}

    def _look_up(
        self,
        vectors: NDArray[np.float32],
        keys: NDArray[np.int64],
        answers: NDArray[np.float32],
    ) -> list[int]:
        """Fill in the answers of known tiles; returns the indices of the others."""
        unknown = []
        with self._lock:
            for index, row in enumerate(keys.tolist()):
                places = {
                    table[key] for table, key in zip(self._tables, row, strict=True) if key in table
                }
                if places:
                    listed = list(places)
                    apart = self._vectors[listed] - vectors[index]
                    distances = np.einsum("ij,ij->i", apart, apart) / 2
                    best = int(distances.argmin())
                    if distances[best] <= THRESHOLD:
                        answers[index] = self._answers[listed[best]]
                        continue
                unknown.append(index)
            self.hits += len(vectors) - len(unknown)
            self.misses += len(unknown)
        return unknown

    def _keep(
        self,
        vectors: NDArray[np.float32],
        keys: NDArray[np.int64],
        answers: NDArray[np.float32],
    ) -> None:
        """The oldest make room."""
        with self._lock:
            for vector, row, answer in zip(vectors, keys, answers, strict=True):
                place = self._next
                if self._used == self._size:
                    for table, key in zip(self._tables, self._keys[place].tolist(), strict=True):
                        if table.get(key) == place:
                            del table[key]
                for table, key in zip(self._tables, row.tolist(), strict=True):
                    table[key] = place
                self._vectors[place], self._keys[place] = vector, row
                self._answers[place] = answer
                self._next = (place + 1) % self._size
                self._used = min(self._used + 1, self._size)
