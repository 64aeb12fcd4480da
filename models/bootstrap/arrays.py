"""Arrays on disk, each written whole or not at all."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilefleet.files import atomic_write


def write_array(path: Path, array: NDArray[Any]) -> None:
    """One array as .npy. Raises OSError."""
    with atomic_write(path) as file:
        np.save(file, array)
