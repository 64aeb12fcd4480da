"""What no training sees: by the bytes of a file, and every other picture that shows the same."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.datasets.collections import LEARNED, MEASURED, to_learn, unseen_tiles
from models.datasets.pictures import Pictures
from models.datasets.split import seen, unseen
from tilefleet.kind import BUILTIN

SIZE = BUILTIN.layout.size


def picture(seed: int) -> np.ndarray:
    """A smooth picture of anything, uint8 (190, 293, 3)."""
    colours = np.random.default_rng(seed).integers(0, 256, (6, 9, 3), np.uint8)
    return np.asarray(Image.fromarray(colours).resize(SIZE, Image.Resampling.BICUBIC))


def jpeg(pixels: np.ndarray, wanted: bool) -> bytes:
    """A file of them that is unseen, or is not, as is wanted."""
    for quality in range(60, 100):
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=quality)
        if unseen(file.getvalue()) is wanted:
            return file.getvalue()
    raise AssertionError("no quality gives such a file")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Labelled tiles, and captchas: one to learn, one that is unseen, one for measuring, and one
    whose first two tiles are those of the latter two, lighter."""
    for folder in ("tiles", MEASURED, *LEARNED):
        (tmp_path / folder).mkdir()
    for label in range(20):
        tile = Image.fromarray(picture(100 + label)[:73, :73])
        tile.save(tmp_path / "tiles" / f"{label:02}_01.png")
    (tmp_path / LEARNED[0] / "plain.jpg").write_bytes(jpeg(picture(1), wanted=False))
    (tmp_path / LEARNED[0] / "unseen.jpg").write_bytes(jpeg(picture(2), wanted=True))
    (tmp_path / MEASURED / "measured.jpg").write_bytes(jpeg(picture(3), wanted=False))
    twin = picture(4).copy()
    width, height = BUILTIN.layout.tile
    (x, y), (x2, y2) = BUILTIN.layout.corners[:2]
    twin[y : y + height, x : x + width] = picture(2)[y : y + height, x : x + width]
    twin[y2 : y2 + height, x2 : x2 + width] = picture(3)[y2 : y2 + height, x2 : x2 + width]
    lighter = np.clip(twin.astype(int) + 6, 0, 255).astype(np.uint8)
    (tmp_path / LEARNED[1] / "twin.jpg").write_bytes(jpeg(lighter, wanted=False))
    return tmp_path


def shows(pictures: Pictures, seed: int, tile: int) -> bool:
    """Whether one of them is about that tile of that picture."""
    (x, y), (width, height) = BUILTIN.layout.corners[tile], BUILTIN.layout.tile
    wanted = picture(seed)[y : y + height, x : x + width].astype(int)
    return bool((np.abs(pictures.tiles() - wanted).mean(axis=(1, 2, 3)) < 12).any())


def test_neither_what_is_kept_out_nor_a_twin_of_it_is_learned(data):
    labelled, cut = to_learn(data)
    assert all(shows(cut, 1, tile) for tile in range(8))
    assert not any(shows(cut, seed, tile) for seed in (2, 3) for tile in range(8))
    assert [shows(cut, 4, tile) for tile in range(8)] == [False, False, *[True] * 6]
    assert len(cut) == 8 + 6
    kept = {path.name for path in (data / "tiles").iterdir() if unseen(path.read_bytes())}
    assert 0 < len(kept) < 20
    assert len(labelled) == 20 - len(kept)


def test_what_is_unseen_is_what_trainings_leave_out_by_its_bytes(data):
    found = unseen_tiles(data)
    assert all(shows(found, 2, tile) for tile in range(8))
    assert not any(shows(found, seed, tile) for seed in (1, 3, 4) for tile in range(8))


def test_a_fixed_tenth_of_captchas_is_unseen_whatever_they_are_named():
    captchas = [f"captcha {number}".encode() for number in range(4096)]
    share = sum(map(unseen, captchas)) / len(captchas)
    assert share == pytest.approx(1 / 10, abs=0.02)
    assert all(seen(captcha) is not unseen(captcha) for captcha in captchas)
