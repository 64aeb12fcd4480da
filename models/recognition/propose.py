"""A layout proposed from captchas alone, for people to look at and correct.

Tiles and words change from captcha to captcha, the paper between them does not. So the rows of
tiles are where most of the width changes, the columns where most of those rows do, and the words of
the header what changes besides. Tiles without paper between them are told apart by the brightness
steps at their sides.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.recognition.edges import brightness_steps
from tilefleet.errors import BadCollection
from tilefleet.layout import Layout

#: Pictures that tell what changes, at least.
_LEAST: Final = 5
#: A deviation of a pixel that is more than the noise of compression, of 255; in a header, beside
#: tiles whose edges reach a little over them.
_CHANGES: Final = 10.0
_CHANGES_MORE: Final = 16.0
#: A line belongs to tiles if so much of what the tiles' lines have at most changes in it.
_LINE: Final = 0.5
#: Sides of a tile, pixels, at least.
_LEAST_TILE: Final = 12
#: Sides of tiles without paper between them stand out from other lines by so many times.
_STANDS_OUT: Final = 1.8
#: Of several numbers of tiles the largest whose sides stand out by so much of the best.
_ENOUGH: Final = 0.5
#: A usual step of brightness, at least.
_LEAST_STEP: Final = 0.02
#: Pixels left around the words of a header.
_AROUND: Final = 4

Mask = NDArray[np.bool_]
#: Beginning and end, which is not of it any more.
_Span = tuple[int, int]


def propose(pictures: Sequence[NDArray[np.uint8]], *, words: int = 1) -> Layout:
    """The layout of captchas, uint8 (h, w, 3) each, all of one size; `words`: most in a header.

    Raises BadCollection for fewer than five, and where no grid, or no header beside it, is to be
    seen.
    """
    if len(pictures) < _LEAST:
        raise BadCollection(
            f"{len(pictures)} pictures do not tell what changes from captcha to captcha; {_LEAST} "
            "are needed, or a layout.toml written by hand"
        )
    # (n, h, w, 3): two colours may be as bright as one another.
    seen = np.stack(pictures).astype(np.float32)
    deviation = seen.std(axis=0).mean(axis=2)
    changes: Mask = deviation > _CHANGES
    height, width = changes.shape
    rows = _spans(changes.mean(axis=1))
    within = np.zeros(height, bool)
    for start, end in rows:
        within[start:end] = True
    columns = _spans(changes[within].mean(axis=0)) if rows else []
    rows = _even(_parted(rows, seen.swapaxes(1, 2), columns))
    columns = _even(_parted(columns, seen, rows))
    if len(rows) * len(columns) < 2:
        raise BadCollection(
            f"no grid of tiles is to be seen in {len(pictures)} pictures of {width}×{height}: "
            "write layout.toml by hand, and run this again"
        )
    tile = (columns[0][1] - columns[0][0], rows[0][1] - rows[0][0])
    lefts, tops = (tuple(start for start, _ in spans) for spans in (columns, rows))
    header = _header(deviation > _CHANGES_MORE, tops[0], tops[-1] + tile[1])
    if header is None:
        raise BadCollection(
            f"{len(rows)}×{len(columns)} tiles of {tile[0]}×{tile[1]} are to be seen in "
            f"{len(pictures)} pictures of {width}×{height}, and no header above or below them: "
            "write layout.toml by hand, and run this again"
        )
    click = (tile[0] // 2, tile[1] // 2)
    return Layout((width, height), header, tile, lefts, tops, click, words)


def _spans(share: NDArray[np.float64]) -> list[_Span]:
    """Where lines change much: runs of them that are long enough."""
    busy = share > _LINE * share.max()
    bounds = np.flatnonzero(np.diff(np.concatenate([[False], busy, [False]]).astype(np.int8)))
    pairs = list(zip(bounds[::2].tolist(), bounds[1::2].tolist(), strict=True))
    joined: list[_Span] = []
    for start, end in pairs:
        # A line in the middle of a tile may be alike in all of them.
        if joined and start - joined[-1][1] <= 1:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return [(start, end) for start, end in joined if end - start >= _LEAST_TILE]


def _parted(
    spans: Sequence[_Span], seen: NDArray[np.float32], others: Sequence[_Span]
) -> list[_Span]:
    """Spans of tiles side by side without paper, parted where their sides are.

    `seen`: float32 (n, h, w, 3), with the spans along the width; `others`: those along the height.
    """
    if not spans:
        return []
    planes = [picture[..., colour] for picture in seen for colour in range(3)]
    steps = np.mean([brightness_steps(plane) for plane in planes], axis=0)
    rows = [steps[start + 2 : end - 2] for start, end in others] or [steps]
    line = np.concatenate(rows).mean(axis=0)
    parts: list[_Span] = []
    for start, end in spans:
        inside = line[start + 2 : end - 1]
        usual = max(float(np.median(inside)), _LEAST_STEP)
        stands_out: dict[int, float] = {}
        for count in range(2, (end - start) // _LEAST_TILE + 1):
            sides = [start + round(part * (end - start) / count) for part in range(1, count)]
            weakest = min(float(line[side - 1 : side + 2].max()) for side in sides)
            stands_out[count] = weakest / usual
        # All sides of more tiles stand out less than some of them, but they do.
        enough = max(_STANDS_OUT, _ENOUGH * max(stands_out.values(), default=0.0))
        best = max((count for count, by in stands_out.items() if by > enough), default=1)
        cuts = [start + round(part * (end - start) / best) for part in range(best + 1)]
        parts += pairwise(cuts)
    return parts


def _even(spans: Sequence[_Span]) -> list[_Span]:
    """All as long as the longest: tiles are of one size, and a side of some may be light in most
    captchas. Such are put where the others' distances say that they are."""
    longest = max((end - start for start, end in spans), default=0)
    whole = [number for number, (start, end) in enumerate(spans) if end - start >= longest - 1]
    found = []
    for number, (start, end) in enumerate(spans):
        if number not in whole and len(whole) > 1:
            first, last = whole[0], whole[-1]
            pitch = (spans[last][0] - spans[first][0]) / (last - first)
            start = round(spans[first][0] + pitch * (number - first))
        elif end - start < longest:
            start = min(start, end - longest + 1)
        found.append((start, start + longest))
    # What would reach over its neighbour or the edge is not so: better too small than wrong.
    if any(before[1] > after[0] for before, after in pairwise(found)):
        shortest = min(end - start for start, end in spans)
        return [(start, start + shortest) for start, _ in spans]
    return found


def _header(changes: Mask, top: int, bottom: int) -> tuple[int, int, int, int] | None:
    """The box of what changes above the tiles or, if nothing does, below them."""
    height, width = changes.shape
    for first, last in ((0, top), (bottom, height)):
        part = changes[first:last]
        down, across = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
        if len(down) < _AROUND or len(across) < _AROUND:
            continue
        y0 = max(first, first + int(down[0]) - _AROUND)
        y1 = min(last, first + int(down[-1]) + 1 + _AROUND)
        x0 = max(0, int(across[0]) - 2 * _AROUND)
        # Longer words than were seen may come.
        x1 = min(width, int(across[-1]) + 1 + 8 * _AROUND)
        return x0, y0, x1 - x0, y1 - y0
    return None
