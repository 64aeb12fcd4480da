"""Sides of tiles: where brightness makes a step along a line, with paper outside."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tilefleet.layout import Layout

Steps = NDArray[np.float32]

#: A step of brightness that counts in full, of 255.
_STEP: Final = 40.0
#: One that is more than noise.
_CHANGE: Final = 2.0
#: A side of a tile is there if so much of it is a step.
_SIDE: Final = 0.3

#: Where tiles begin and end along one side of the picture.
Spans = Sequence[tuple[int, int]]


def spans_of(layout: Layout) -> tuple[Spans, Spans]:
    """Of the columns and of the rows, as they are to be seen."""
    (width, height), (right, down) = layout.tile, layout.edges
    return (
        [(left + right, left + right + width) for left in layout.lefts],
        [(top + down, top + down + height) for top in layout.tops],
    )


def brightness_steps(picture: Steps) -> Steps:
    """How much brightness changes from the pixel on the left, 0 to 1."""
    steps = np.zeros_like(picture)
    np.subtract(picture[:, 1:], picture[:, :-1], out=steps[:, 1:])
    np.abs(steps, out=steps)
    steps /= _STEP
    np.minimum(steps, 1, out=steps)
    return steps


def profile(picture: Steps, spans: Spans, border: int) -> Steps:
    """How strong steps to the right are in the rows of these spans, for each column."""
    steps = brightness_steps(picture)
    rows = [steps[start + border : end + border] for start, end in spans]
    return np.asarray(np.concatenate(rows).mean(axis=0), np.float32)


def fit(profile: Steps, spans: Spans, border: int, reach: float) -> tuple[float, float]:
    """The shift and stretch by which the edges meet the strongest steps."""
    shifts = np.arange(-reach, reach + 0.01, 0.125)
    stretches = 1 + np.arange(-0.03, 0.0301, 0.001) * reach / 4
    places = np.array(spans).reshape(-1, 1, 1) * stretches[:, None] + shifts + border
    # A step from pixel i - 1 to i is at i: its middle lies between both.
    met = np.interp(places, np.arange(len(profile)), profile).sum(axis=0)
    # Of equal ones the nearest.
    met -= 1e-4 * (np.abs(shifts) + 100 * np.abs(stretches - 1)[:, None])
    at, by = np.unravel_index(int(met.argmax()), met.shape)
    return float(shifts[by]), float(stretches[at])


def outline(picture: Steps, border: int) -> float:
    """The share of the picture's own outline, inside a border, at which brightness changes at all
    and does not beside it: a captcha's paper is seldom just as white as the page."""
    shares = []
    for turned in (picture, picture[::-1], picture.T, picture.T[::-1]):
        rows = turned[border - 2 : border + 2, border:-border]
        outside, at, inside = np.abs(np.diff(rows, axis=0)) > _CHANGE
        shares.append(float((at & ~outside & ~inside).mean()))
    return sum(shares) / len(shares)


def sides_there(picture: Steps, layout: Layout, border: int, sharp: float) -> float:
    """The share of the tiles' sides that are steps with paper outside, less what changes on the
    paper between tiles; `sharp`: how much changes on the paper count."""
    columns, rows = spans_of(layout)
    across, down = brightness_steps(picture), brightness_steps(picture.T)
    there, noise = [], []
    for steps, spans, others in ((across, columns, rows), (down, rows, columns)):
        for start, end in others:
            line = steps[start + border : end + border]
            for edges in spans:
                for edge, out in zip((edge + border for edge in edges), (-2, 2), strict=True):
                    near = line[:, edge - 1 : edge + 2].max(axis=1).mean()
                    # Outside is paper, which has none.
                    there.append(float(near - sharp * line[:, edge + out].mean()) > _SIDE)
        whole = slice(others[0][0] + border, others[-1][1] + border)
        for (_, before), (after, _) in pairwise(spans):
            between = slice(before + border + 2, after + border - 1)
            if between.stop > between.start:
                along = (down if steps is across else across).T
                noise += [float(each[whole, between].mean()) for each in (steps, along)]
    return sum(there) / len(there) - sharp * sum(noise) / max(1, len(noise))
