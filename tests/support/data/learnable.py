"""Small folders of data to learn from."""

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from models.datasets.answers import ANSWERS
from models.datasets.collections import LEARNED, MEASURED
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


def some_of(real: Path, data: Path, *, each: int = 12) -> Path:
    """The real tiles and the captchas that are measured, and so many of each other collection."""
    data.mkdir()
    for name in ("tiles", MEASURED):
        (data / name).symlink_to(real / name)
    for name in LEARNED:
        (data / name).mkdir()
        with (real / name / ANSWERS).open(encoding="utf-8", newline="") as file:
            head, *rows = csv.reader(file)
        # Those whose tiles are known, before those of which only the words are.
        rows = sorted(rows, key=lambda row: not row[head.index("picks")])[:each]
        with (data / name / ANSWERS).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([head, *rows])
        for row in rows:
            (data / name / row[0]).symlink_to(real / name / row[0])
    return data
