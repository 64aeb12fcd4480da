"""Where in a picture a captcha is that is not all of the picture."""

from dataclasses import dataclass

from tilefleet.answer import Grid


@dataclass(frozen=True, slots=True)
class Place:
    """A captcha's place, pixels of the picture."""

    #: Where to click for each tile, row by row.
    points: tuple[tuple[int, int], ...]
    grid: Grid
    #: How sure it is that it is there, and that it is read as well as one as the site drew it.
    certainty: float
