"""What a count of some cases says of all cases."""

import math
from typing import Final

#: Of the normal distribution, for 95 of 100.
_Z: Final = 1.96


def wilson(right: int, cases: int) -> tuple[float, float]:
    """The shares between which the true one lies, with a confidence of 95 %, when `right` of
    `cases` were right (Wilson, "Probable inference, the law of succession, and statistical
    inference", 1927)."""
    if not cases:
        return 0.0, 1.0
    share, square = right / cases, _Z**2 / cases
    middle = (share + square / 2) / (1 + square)
    half = math.sqrt(share * (1 - share) * square + square**2 / 4) / (1 + square)
    return max(0.0, middle - half), min(1.0, middle + half)


def interval(right: int, cases: int) -> str:
    """As people read it: `46 of 50, 92 % (81 to 97)`."""
    if not cases:
        return "0 of 0"
    least, most = wilson(right, cases)
    return f"{right} of {cases}, {right / cases:.0%} ({least * 100:.0f} to {most * 100:.0f})"
