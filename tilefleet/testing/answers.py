"""Answers as a fleet would give them, made without one."""

import random
from collections.abc import Collection, Sequence
from hashlib import sha256

from tilefleet.answer import Answer, Reading
from tilefleet.errors import BadArgument
from tilefleet.kind import BUILTIN

#: The model that made answers name.
MODEL = "fake@00000000"
_SURE = 0.97
_LABELS, _TILES = BUILTIN.labels, BUILTIN.layout.count


class AnswerFactory:
    """Answers that agree with themselves: picked tiles, and only these, show one of the words."""

    def __init__(self, seed: int = 0) -> None:
        """What a caller leaves open is drawn at random, the same for the same `seed`."""
        self._seed = seed
        self._random = random.Random(seed)

    def build(
        self,
        words: Sequence[str] | None = None,
        picks: Collection[int] | None = None,
        *,
        confidence: float = _SURE,
    ) -> Answer:
        """An answer for one or two of the built-in's words, with these tiles (1 to 8) picked.

        `confidence`: how sure it is of its picks, 0 to 1. Raises BadArgument for what no captcha
        can have.
        """
        return _build(self._random, words, picks, confidence)

    def of(self, image: bytes) -> Answer:
        """An answer that depends on the bytes (and the seed) alone: never two for one image."""
        seed = f"{self._seed} {sha256(image).hexdigest()}"
        return _build(random.Random(seed), None, None, _SURE)


def _build(
    source: random.Random,
    words: Sequence[str] | None,
    picks: Collection[int] | None,
    confidence: float,
) -> Answer:
    if words is None:
        words = source.sample(_LABELS, 1)
    if not 1 <= len(words) <= 2 or any(word not in BUILTIN.index for word in words):
        raise BadArgument(f"words are {words!r}; a captcha has one or two of the built-in model's")
    if picks is None:
        picks = source.sample(range(1, _TILES + 1), source.randint(len(words), 3))
    if not isinstance(picks, Collection) or any(pick not in range(1, _TILES + 1) for pick in picks):
        raise BadArgument(f"picks are {picks!r}; tiles have the numbers 1 to {_TILES}")
    if not isinstance(confidence, int | float) or not 0 <= confidence <= 1:
        raise BadArgument(f"confidence is {confidence!r}; give 0 to 1")
    picked = sorted(set(picks))
    others = [label for label in _LABELS if label not in words]
    tiles = [Reading(label, _SURE) for label in source.sample(others, _TILES)]
    for place, pick in enumerate(picked):
        tiles[pick - 1] = Reading(words[place % len(words)], _SURE)
    return Answer(
        words=tuple(Reading(word, _SURE) for word in words),
        tiles=tuple(tiles),
        picks=tuple(picked),
        points=tuple(BUILTIN.layout.points[pick - 1] for pick in picked),
        confidence=confidence,
        model=MODEL,
        grid=BUILTIN.grid,
    )
