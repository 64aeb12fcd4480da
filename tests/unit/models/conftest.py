"""Folders of noise in the sizes of pictures, to read a collection from and to learn from."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def labelled_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "tiles"
    folder.mkdir()
    random = np.random.default_rng(4)
    for label in range(4):
        for number in (1, 9):
            pixels = random.integers(0, 256, (73, 72, 3), np.uint8)
            Image.fromarray(pixels).save(folder / f"{label:02}_{number:02}.png")
    return folder


@pytest.fixture
def captcha_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "captchas"
    folder.mkdir()
    pixels = np.random.default_rng(6).integers(0, 256, (190, 293, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "a.jpg", quality=90)
    return folder
