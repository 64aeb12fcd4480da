"""Whether a collection can teach anything at all, and what it lacks if not."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.bootstrap.scan import Scan
from tilefleet.errors import BadCollection
from tilefleet.kind import BUILTIN, Kind

#: Captchas that can be read, and different words in their headers, at least.
_LEAST_CAPTCHAS = 40
_LEAST_WORDS = 3
#: Share of tiles whose picture must come back for words to tell pictures apart.
_LEAST_REPEATED = 0.1


def check_captchas(folder: Path, found: Scan, kind: Kind = BUILTIN) -> None:
    """Raises BadCollection where there are too few captchas, or too few words."""
    words = set(found.words[:, 0].tolist())
    if len(found) < _LEAST_CAPTCHAS or len(words) < _LEAST_WORDS:
        raise BadCollection(
            f"{folder} has {len(found)} readable captchas ({len(found.unreadable)} files are none) "
            f"that ask for {len(words)} words; at least {_LEAST_CAPTCHAS} captchas and "
            f"{_LEAST_WORDS} words are needed, and every picture should come back about 8 times: "
            f"for the {len(kind.labels)} words that takes thousands of captchas"
        )


def check_repeats(
    folder: Path, members: NDArray[np.int32], tiles: int = BUILTIN.layout.count
) -> None:
    """Raises BadCollection where hardly a picture comes back.

    `members`: int32 (captchas · tiles,), which picture each tile shows; `tiles`: of a captcha. How
    many pictures there are in all is estimated as by Chao, "Nonparametric estimation of the number
    of classes in a population", 1984.
    """
    sizes = np.bincount(members)
    repeated = float(sizes[sizes > 1].sum() / len(members))
    if repeated < _LEAST_REPEATED:
        once, twice = int((sizes == 1).sum()), int((sizes == 2).sum())
        pool = len(sizes) + once * (once - 1) // (2 * (twice + 1))
        raise BadCollection(
            f"{folder}: {len(members) // tiles} captchas show {len(sizes)} pictures, {once} of "
            f"them once: nothing comes back, so words tell nothing apart. By these counts there "
            f"are some {pool} pictures in all, and about as many captchas are needed"
        )
