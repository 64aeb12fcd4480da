"""A small folder of data to learn from."""

from pathlib import Path

import numpy as np
from PIL import Image

from tilefleet.kind import BUILTIN


def write(data: Path, *, each: int = 5) -> Path:
    """So many labelled tiles of every class, of noise."""
    (data / "tiles").mkdir(parents=True)
    random = np.random.default_rng(5)
    for label in range(len(BUILTIN.labels)):
        for number in range(1, each + 1):
            pixels = random.integers(0, 256, (73, 73, 3), np.uint8)
            Image.fromarray(pixels).save(data / "tiles" / f"{label:02}_{number:02}.png")
    return data
