"""Which captchas no training sees: a fixed sixteenth, chosen by their bytes and not their names.

What a network makes of them is the only figure that says how it reads what it has never seen.
"""

import hashlib
from typing import Final

#: Of 256 values of the hash's first byte.
_UNSEEN: Final = 16


def unseen(captcha: bytes) -> bool:
    """Whether this captcha, a file's bytes, is kept out of every training."""
    return hashlib.sha1(captcha, usedforsecurity=False).digest()[0] < _UNSEEN


def seen(captcha: bytes) -> bool:
    return not unseen(captcha)
