"""What kind of captcha a model reads: the words that may be asked for, and the layout.

Every model's manifest has its own. `BUILTIN` is the retired site's, from builtin.json: that of the
built-in model, and of models that were stored before manifests named one.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from tilefleet.answer import Grid
from tilefleet.layout import Layout


@dataclass(frozen=True)
class Kind:
    """Words and layout of one kind of captcha."""

    #: Class `i` of a network means ``labels[i]``.
    labels: tuple[str, ...]
    layout: Layout
    #: P(a word has k matching tiles), k from 1 to the number of tiles.
    tiles_per_word: tuple[float, ...]

    @cached_property
    def none(self) -> int:
        """The class by which a words network says "there is no word here"."""
        return len(self.labels)

    @cached_property
    def index(self) -> Mapping[str, int]:
        """Label → class."""
        return {label: index for index, label in enumerate(self.labels)}

    @cached_property
    def grid(self) -> Grid:
        """Where the tiles are in a picture of exactly this layout."""
        return Grid(self.layout.lefts, self.layout.tops, self.layout.tile)

    @cached_property
    def labels_sha256(self) -> str:
        """sha256 of the labels joined by newlines, UTF-8."""
        return hashlib.sha256("\n".join(self.labels).encode()).hexdigest()

    def __str__(self) -> str:
        """``30 words, 3×4 tiles on 240×200 pixels``"""
        layout = self.layout
        return f"{len(self.labels)} words, {layout.rows}×{layout.columns} tiles on {layout} pixels"

    def encode(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {
            "labels": list(self.labels),
            "layout": self.layout.encode(),
            "tiles_per_word": list(self.tiles_per_word),
        }

    @classmethod
    def decode(cls, encoded: Mapping[str, Any]) -> Self:
        """The inverse of `encode`; raises ValueError for labels or shares that cannot be, and what
        `Layout.decode` raises."""
        layout = Layout.decode(encoded["layout"])
        labels = tuple(encoded["labels"])
        shares = tuple(map(float, encoded["tiles_per_word"]))
        if len(set(labels)) != len(labels):
            twice = next(label for label in labels if labels.count(label) > 1)
            raise ValueError(f"the label {twice!r} is there twice")
        if len(shares) != layout.count:
            raise ValueError(f"tiles_per_word has {len(shares)} shares for {layout.count} tiles")
        if not all(share > 0 for share in shares):
            raise ValueError(f"tiles_per_word {list(shares)}: every number of tiles can occur")
        return cls(labels, layout, shares)


BUILTIN = Kind.decode(
    json.loads((Path(__file__).parent / "builtin.json").read_text(encoding="utf-8"))
)
