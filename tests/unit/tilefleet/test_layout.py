"""A layout whose parts are not inside each other, or lie over each other, is none."""

import pytest

from tilefleet.kind import BUILTIN
from tilefleet.layout import Layout

ENCODED = BUILTIN.layout.encode()
(WIDTH, HEIGHT), (TILE, _) = ENCODED["size"], ENCODED["tile"]


def test_a_layout_crosses_processes_as_it_is():
    assert Layout.decode(ENCODED) == BUILTIN.layout


@pytest.mark.parametrize(
    "header",
    [(-1, 0, 9, 9), (0, -1, 9, 9), (WIDTH - 8, 0, 9, 9), (0, HEIGHT - 8, 9, 9)],
    ids=["left", "above", "right", "below"],
)
def test_a_header_that_reaches_out_of_the_picture_is_refused(header):
    with pytest.raises(ValueError, match="is not inside"):
        Layout.decode({**ENCODED, "header": header})


def test_a_header_at_its_edge_is_inside():
    Layout.decode({**ENCODED, "header": (WIDTH - 9, HEIGHT - 9, 9, 9)})


@pytest.mark.parametrize("lefts", [[0, TILE - 1], [-1], [WIDTH - TILE + 1]])
def test_tiles_over_each_other_or_the_edge_are_refused(lefts):
    with pytest.raises(ValueError, match="do not fit"):
        Layout.decode({**ENCODED, "lefts": lefts})
    Layout.decode({**ENCODED, "lefts": [0, TILE, WIDTH - TILE]})


@pytest.mark.parametrize("click", [(-1, 0), (0, TILE), (TILE, 0)])
def test_the_point_to_click_is_a_pixel_of_the_tile(click):
    with pytest.raises(ValueError, match="is not inside a tile"):
        Layout.decode({**ENCODED, "click": click})
