"""Tiles that are the same picture, found without comparing all with all.

Signatures are looked up in many tables, each by a short key of signs of random projections
(Charikar, "Similarity estimation techniques from rounding algorithms", 2002): two that are near
have the same key in some table. In a table only neighbours are compared, so the cost grows with
the number of tiles. First single tiles are linked, strictly; then the groups' mean signatures,
which have less noise, a little less so.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.recognition import fingerprint

Vectors = NDArray[np.float32] | NDArray[np.float16]
Members = NDArray[np.int32]

#: Tables in each round, and the strictness of its comparisons relative to the threshold.
_ROUNDS = ((20, 0.6), (40, 1.0), (60, 1.0))
#: How many of those behind it in a table each one is compared with.
_NEIGHBOURS = 6
#: Pairs compared at once: bounds the memory.
_AT_ONCE = 200_000


@dataclass(slots=True)
class _Union:
    """Union-find on an array, many links at a time."""

    parents: NDArray[np.int64]

    @classmethod
    def of(cls, count: int) -> "_Union":
        return cls(np.arange(count))

    def link(self, one: NDArray[np.int64], other: NDArray[np.int64]) -> None:
        """Put each pair into one set: the smallest number of a set ends as its root."""
        while len(one):
            one, other = self.parents[one], self.parents[other]
            low, high = np.minimum(one, other), np.maximum(one, other)
            apart = low != high
            one, other = low[apart], high[apart]
            np.minimum.at(self.parents, other, one)
            self._flatten()

    def _flatten(self) -> None:
        while True:
            above = self.parents[self.parents]
            if np.array_equal(above, self.parents):
                return
            self.parents = above


def group(
    vectors: Vectors,
    threshold: float,
    *,
    seed: int = 0,
    tick: Callable[[int, int], None] | None = None,
) -> Members:
    """Which group each signature is in, int32 (n,), numbered from 0 by first appearance.

    `threshold`: half the squared distance up to which two signatures are the same picture.
    `tick` is told after each table: how many are done, and of how many.
    """
    members = np.arange(len(vectors))
    if len(vectors) < 2:
        return members.astype(np.int32)
    rng = np.random.default_rng(seed)
    tables = sum(each for each, _ in _ROUNDS)
    done = 0
    for rounds, strictness in _ROUNDS:
        means, sizes = _means(vectors, members)
        union = _Union.of(len(means))
        # About as many keys as there are items, so that few share one by chance.
        bits = int(np.clip(np.log2(max(len(means), 2)) + 1, 8, 22))
        for _ in range(rounds):
            directions = rng.standard_normal((vectors.shape[1], bits), np.float32)
            _link_neighbours(means, sizes, directions, threshold * strictness, union, rng)
            done += 1
            if tick:
                tick(done, tables)
        members = union.parents[members]
        _, members = np.unique(members, return_inverse=True)
    return members.astype(np.int32)


def _means(vectors: Vectors, members: NDArray[np.int64]) -> tuple[Vectors, NDArray[np.int64]]:
    sizes = np.bincount(members)
    if len(sizes) == len(vectors):
        return vectors, sizes
    order = np.argsort(members, kind="stable")
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    means = np.empty((len(sizes), vectors.shape[1]), np.float32)
    # In parts: all of them as float32 at once is what memory should not hold.
    for first in range(0, len(sizes), 50_000):
        last = min(first + 50_000, len(sizes))
        end = starts[last] if last < len(sizes) else len(order)
        part = vectors[order[starts[first] : end]].astype(np.float32)
        sums = np.add.reduceat(part, starts[first:last] - starts[first], axis=0)
        means[first:last] = sums / sizes[first:last, np.newaxis]
    return means, sizes


def _link_neighbours(
    means: Vectors,
    sizes: NDArray[np.int64],
    directions: NDArray[np.float32],
    threshold: float,
    union: _Union,
    rng: np.random.Generator,
) -> None:
    """One table."""
    keys = np.concatenate(
        [
            fingerprint.keys(means[start : start + _AT_ONCE].astype(np.float32), directions)[:, 0]
            for start in range(0, len(means), _AT_ONCE)
        ]
    )
    # By key; with the same key in another order in every table.
    order = np.lexsort((rng.random(len(keys), np.float32), keys))
    keys = keys[order]
    for step in range(1, _NEIGHBOURS + 1):
        same_key = np.flatnonzero(keys[step:] == keys[:-step])
        one, other = order[same_key], order[same_key + step]
        apart = union.parents[one] != union.parents[other]
        one, other = one[apart], other[apart]
        near = np.zeros(len(one), bool)
        for start in range(0, len(one), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            difference = means[one[part]].astype(np.float32) - means[other[part]]
            near[part] = np.einsum("ij,ij->i", difference, difference) / 2 <= threshold
        union.link(one[near], other[near])
