"""Where things are in a captcha, in pixels from the top left corner.

The tiles' places and the points to click are those of the retired site and of every client
written for it; the header crop is ours: everything to the right of the fixed prompt.
"""

from typing import Final

CAPTCHA_WIDTH: Final = 293
CAPTCHA_HEIGHT: Final = 190

TILE: Final = 67
TILE_XS: Final = (5, 77, 149, 221)
TILE_YS: Final = (40, 112)

#: Where a client clicks for each tile: (x, y), tiles 1 to 8 row by row.
POINTS: Final = tuple((x, y) for y in (77, 149) for x in (40, 112, 184, 256))

#: The part of the header strip that holds the words.
HEADER_Y: Final = 0
HEADER_X: Final = 116
HEADER_HEIGHT: Final = 28
HEADER_WIDTH: Final = 176
