"""What comes back for a captcha: words, tiles, picks, points and how sure the networks are.

An answer crosses processes as the JSON object fixed in docs/architecture.md; `Answer.encode` and
`Answer.decode` are the only places that know its shape.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Reading:
    """One word or one tile as a network reads it."""

    label: str
    #: The network's probability for `label`, 0 to 1.
    confidence: float


@dataclass(frozen=True, slots=True)
class Timing:
    """Where the time of one captcha went."""

    #: From its arrival in the worker until its pass began, milliseconds.
    queued_ms: float
    #: Its pass: one call of the engine on `pass_size` captchas, milliseconds.
    pass_ms: float
    pass_size: int


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the tiles are in the picture that was sent, pixels."""

    #: Left edges of the columns and top edges of the rows.
    lefts: tuple[int, ...]
    tops: tuple[int, ...]
    #: Width and height of a tile.
    tile: tuple[int, int]

    @property
    def rows(self) -> int:
        return len(self.tops)

    @property
    def columns(self) -> int:
        return len(self.lefts)

    def encode(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {
            "rows": self.rows,
            "columns": self.columns,
            "lefts": list(self.lefts),
            "tops": list(self.tops),
            "tile": list(self.tile),
        }

    @classmethod
    def decode(cls, encoded: Mapping[str, Any]) -> Self:
        """The inverse of `encode`."""
        width, height = encoded["tile"]
        return cls(tuple(encoded["lefts"]), tuple(encoded["tops"]), (width, height))


@dataclass(frozen=True, slots=True)
class Answer:
    """One captcha, read."""

    #: The words, in the order of the header.
    words: tuple[Reading, ...]
    #: All tiles, row by row.
    tiles: tuple[Reading, ...]
    #: Numbers, from 1, of the tiles that show one of the words.
    picks: tuple[int, ...]
    #: Where to click for each pick: (x, y) in pixels of the picture that was sent, turned as its
    #: EXIF data says.
    points: tuple[tuple[int, int], ...]
    #: Probability that `picks` is exactly right, 0 to 1.
    confidence: float
    #: Name and identity of the model that made it, such as ``builtin@3f2a9c1e``.
    model: str
    timing: Timing | None = None
    #: Where the tiles are; None from workers that do not tell.
    grid: Grid | None = None

    def timed(self, timing: Timing) -> "Answer":
        """The same answer with how long it took."""
        return Answer(
            self.words,
            self.tiles,
            self.picks,
            self.points,
            self.confidence,
            self.model,
            timing,
            self.grid,
        )

    def encode(self) -> dict[str, Any]:
        """As plain JSON types."""
        encoded: dict[str, Any] = {
            "words": _encode_readings(self.words),
            "tiles": _encode_readings(self.tiles),
            "picks": list(self.picks),
            "points": [list(point) for point in self.points],
            "confidence": _rounded(self.confidence, 1e4),
            "model": self.model,
        }
        if self.grid is not None:
            encoded["grid"] = self.grid.encode()
        if self.timing is not None:
            encoded["timing"] = {
                "queued_ms": _rounded(self.timing.queued_ms, 1e2),
                "pass_ms": _rounded(self.timing.pass_ms, 1e2),
                "pass_size": self.timing.pass_size,
            }
        return encoded

    @classmethod
    def decode(cls, encoded: Mapping[str, Any]) -> Self:
        """The inverse of `encode`; raises KeyError or TypeError on anything else."""
        timing, grid = encoded.get("timing"), encoded.get("grid")
        return cls(
            words=tuple(_decode_reading(word) for word in encoded["words"]),
            tiles=tuple(_decode_reading(tile) for tile in encoded["tiles"]),
            picks=tuple(encoded["picks"]),
            points=tuple((x, y) for x, y in encoded["points"]),
            confidence=encoded["confidence"],
            model=encoded["model"],
            timing=None if timing is None else Timing(**timing),
            grid=None if grid is None else Grid.decode(grid),
        )


def _rounded(value: float, parts: float) -> float:
    """To the nearest of so many parts of one; as `round`, which goes by way of text
    (`benchmarks.shortcuts`). NaN stays NaN."""
    return (value * parts + 0.5) // 1 / parts


def _encode_readings(readings: tuple[Reading, ...]) -> list[dict[str, Any]]:
    # `_rounded`, written out: there are ten of them in an answer.
    return [
        {"label": each.label, "confidence": (each.confidence * 1e4 + 0.5) // 1 / 1e4}
        for each in readings
    ]


def _decode_reading(encoded: Mapping[str, Any]) -> Reading:
    return Reading(encoded["label"], encoded["confidence"])
