"""Out-of-vocabulary (OOV) words that might stand in a header: networks should be unsure of them."""

from collections.abc import Sequence
from functools import cache

import numpy as np

from tilefleet.kind import Kind

#: The characters of GB 2312's first level, the 3,755 most frequent ones: rows 16 to 55.
_FREQUENT = tuple(
    bytes((row, column)).decode("gb2312")
    for row in range(0xB0, 0xD8)
    for column in range(0xA1, 0xFF if row < 0xD7 else 0xFA)
)
#: Code points of a block, about: the letters of one script are near one another.
_BLOCK = 128


def word(rng: np.random.Generator, kind: Kind) -> str:
    """A label with another character in one place, or any characters of its script: no label."""
    ours, others = _characters(kind.labels)
    # Ideographs are words of one to three; what is spelt is as long as the labels.
    spelt = others is not _FREQUENT
    while True:
        if rng.random() < 0.5:
            characters = list(kind.labels[int(rng.integers(len(kind.labels)))])
            characters[int(rng.integers(len(characters)))] = _any_character(rng, ours, others)
        else:
            length = (
                len(kind.labels[int(rng.integers(len(kind.labels)))])
                if spelt
                else int(rng.choice([1, 2, 3], p=[0.1, 0.6, 0.3]))
            )
            characters = [_any_character(rng, ours, others) for _ in range(length)]
        found = "".join(characters)
        if found.casefold() not in _known(kind.labels):
            return found


@cache
def _known(labels: tuple[str, ...]) -> frozenset[str]:
    return frozenset(label.casefold() for label in labels)


@cache
def _characters(labels: tuple[str, ...]) -> tuple[Sequence[str], Sequence[str]]:
    """The labels' characters, and others of the same script."""
    ours = sorted(set("".join(labels)))
    if any("\u4e00" <= each <= "\u9fff" for each in ours):
        return ours, _FREQUENT
    starts = sorted({ord(each) // _BLOCK * _BLOCK for each in ours})
    near = (chr(code) for start in starts for code in range(start, start + _BLOCK))
    # Of a script with two cases only such as the labels have.
    lower = all(each == each.lower() for each in ours)
    return ours, tuple(
        each for each in near if each.isalnum() and (not lower or each == each.lower())
    )


def _any_character(rng: np.random.Generator, ours: Sequence[str], others: Sequence[str]) -> str:
    """One of the labels' as often as one of the others."""
    if rng.random() < 0.5:
        return ours[int(rng.integers(len(ours)))]
    return others[int(rng.integers(len(others)))]
