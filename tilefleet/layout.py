"""Where things are in a kind of captcha, in pixels from the top left corner.

A header strip that asks for words, and a grid of tiles, row by row, all of one size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Self

#: Most tiles of a captcha that can be read: every set of them is weighed.
MOST_TILES: Final = 16

Pair = tuple[int, int]


@dataclass(frozen=True)
class Layout:
    """One kind's picture."""

    #: Width and height of the picture.
    size: Pair
    #: The part of the header that holds the words: x, y, width, height.
    header: tuple[int, int, int, int]
    #: Width and height of a tile.
    tile: Pair
    #: Left edges of the columns of tiles, and top edges of their rows.
    lefts: tuple[int, ...]
    tops: tuple[int, ...]
    #: Where in a tile to click: x and y from its corner.
    click: Pair
    #: Most words that a header asks for, 1 or 2.
    words: int
    #: How far to the right and down of these boxes the tiles' edges are to be seen.
    edges: Pair = (0, 0)

    @property
    def columns(self) -> int:
        return len(self.lefts)

    @property
    def rows(self) -> int:
        return len(self.tops)

    @cached_property
    def count(self) -> int:
        """How many tiles there are."""
        return self.rows * self.columns

    @cached_property
    def corners(self) -> tuple[Pair, ...]:
        """The top left corner of each tile, row by row."""
        return tuple((x, y) for y in self.tops for x in self.lefts)

    @cached_property
    def points(self) -> tuple[Pair, ...]:
        """Where to click for each tile, row by row."""
        return tuple((x + self.click[0], y + self.click[1]) for x, y in self.corners)

    @cached_property
    def header_shape(self) -> tuple[int, int]:
        """Height and width of the header's part, as arrays have them."""
        return self.header[3], self.header[2]

    @cached_property
    def tile_shape(self) -> tuple[int, int]:
        """Height and width of a tile, as arrays have them."""
        return self.tile[1], self.tile[0]

    def __str__(self) -> str:
        """As messages name it: ``240×200``."""
        return "×".join(map(str, self.size))

    def encode(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {
            "size": list(self.size),
            "header": list(self.header),
            "tile": list(self.tile),
            "lefts": list(self.lefts),
            "tops": list(self.tops),
            "click": list(self.click),
            "words": self.words,
            "edges": list(self.edges),
        }

    @classmethod
    def decode(cls, encoded: Mapping[str, Any]) -> Self:
        """The inverse of `encode`; raises ValueError for what lies outside the picture or over
        something else, KeyError or TypeError for anything that is no layout."""
        size, tile, click = (_pair(encoded[name]) for name in ("size", "tile", "click"))
        x, y, width, height = map(int, encoded["header"])
        lefts, tops = (tuple(map(int, encoded[name])) for name in ("lefts", "tops"))
        edges = _pair(encoded.get("edges", (0, 0)))
        words = int(encoded["words"])
        layout = cls(size, (x, y, width, height), tile, lefts, tops, click, words, edges)
        for axis, (starts, name) in enumerate(((lefts, "lefts"), (tops, "tops"))):
            _check_apart(starts, tile[axis], size[axis], name)
        if min(x, y) < 0 or x + width > size[0] or y + height > size[1]:
            raise ValueError(f"the header {x, y, width, height} is not inside {layout}")
        if not (0 <= click[0] < tile[0] and 0 <= click[1] < tile[1]):
            raise ValueError(f"the point to click {click} is not inside a tile of {tile}")
        return layout


def _pair(values: Sequence[int]) -> Pair:
    first, second = map(int, values)
    return first, second


def _check_apart(starts: Sequence[int], length: int, end: int, name: str) -> None:
    for before, after in zip((-length, *starts), (*starts, end), strict=True):
        if before + length > after:
            raise ValueError(f"{name} {list(starts)}: tiles of {length} do not fit into {end} so")
