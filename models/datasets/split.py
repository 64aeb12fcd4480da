"""Which pictures no training sees: a fixed tenth, chosen by their bytes and not their names, and
every other picture that shows the same.

What a network makes of them is the only figure that says how it reads what it has never seen. The
site drew from a finite pool: the same picture comes back in other captchas, slightly altered, and
such twins would make a figure of memory out of it.
"""

import hashlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.datasets.pictures import Pictures
from models.recognition.fingerprint import colour

#: Of 256 values of the hash's first byte.
_UNSEEN: Final = 26
#: Half the squared distance of two fingerprints up to which two tiles are twins: wider than
#: `models.bootstrap.signatures` takes it, as one that is missed costs more than one too many.
_TWINS: Final = 0.1


def unseen(picture: bytes) -> bool:
    """Whether this picture, a file's bytes, is kept out of every training."""
    return hashlib.sha1(picture, usedforsecurity=False).digest()[0] < _UNSEEN


def seen(picture: bytes) -> bool:
    return not unseen(picture)


def twins(pictures: Pictures, others: Pictures) -> NDArray[np.bool_]:
    """bool (n,): which of `pictures` show what one of `others` shows."""
    if not len(pictures) or not len(others):
        return np.zeros(len(pictures), np.bool_)
    ours, theirs = colour(pictures.tiles()), colour(others.tiles())
    lengths = np.square(ours).sum(axis=1)[:, np.newaxis] + np.square(theirs).sum(axis=1)
    near: NDArray[np.bool_] = (lengths / 2 - ours @ theirs.T < _TWINS).any(axis=1)
    return near
