"""What all of them do: pictures of the same size, and the answer of a task that does nothing.

Standard library only: it is imported in each peer's own environment.
"""

import os
from collections.abc import Iterator
from typing import Any, Final

#: Bytes of one message's picture, about those of a real captcha.
PICTURE_BYTES: Final = 13_500

ANSWER: Final[dict[str, Any]] = {
    "words": [{"label": "打字机", "confidence": 0.0}],
    "tiles": [{"label": "打字机", "confidence": 0.0}] * 8,
    "picks": [1],
    "points": [[40, 77]],
    "confidence": 0.0,
    "model": "null",
}


def pictures(count: int) -> Iterator[bytes]:
    """None is identical to another one: those would share a reading."""
    for number in range(count):
        yield os.urandom(8) + bytes(PICTURE_BYTES - 16) + number.to_bytes(8, "big")
