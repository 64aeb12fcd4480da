"""Sides of tiles and outlines: steps of brightness with nothing beside them."""

import numpy as np
import pytest

from models.recognition.edges import outline, sides_there, spans_of
from tilefleet.kind import BUILTIN

LAYOUT, BORDER = BUILTIN.layout, 8


def paper() -> np.ndarray:
    """White, of a captcha's size with a border."""
    width, height = LAYOUT.size
    return np.full((height + 2 * BORDER, width + 2 * BORDER), 255, np.float32)


def with_tiles(page: np.ndarray, grey: int, around: int = 0) -> np.ndarray:
    """Tiles of one grey on a page, with so many pixels of it around each."""
    columns, rows = spans_of(LAYOUT)
    for top, bottom in rows:
        for left, right in columns:
            down = slice(top + BORDER - around, bottom + BORDER + around)
            page[down, left + BORDER - around : right + BORDER + around] = grey
    return page


def test_all_sides_of_tiles_on_paper_are_there():
    assert sides_there(with_tiles(paper(), 0), LAYOUT, BORDER, 1.0) == 1


def test_a_step_with_another_outside_is_no_side():
    page = with_tiles(with_tiles(paper(), 128, around=2), 0)
    assert sides_there(page, LAYOUT, BORDER, 1.0) <= 0
    # As much as what changes on the paper counts.
    assert sides_there(page, LAYOUT, BORDER, 0.0) == 1


@pytest.mark.parametrize(
    ("row", "grey", "seen"),
    [(BORDER - 2, 200, 1.0), (BORDER - 2, 150, 0.75), (BORDER + 1, 250, 0.75)],
    ids=["as it is", "a step outside", "a step inside"],
)
def test_an_outline_is_a_step_with_none_on_either_side_of_it(row, grey, seen):
    page = np.full_like(paper(), 200)
    page[BORDER:-BORDER, BORDER:-BORDER] = 255
    page[row, BORDER:-BORDER] = grey
    assert outline(page, BORDER) == pytest.approx(seen, abs=0.01)
