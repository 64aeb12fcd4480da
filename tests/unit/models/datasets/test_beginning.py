"""A layout proposed from captchas, and what a folder of them is taken for."""

import numpy as np
import pytest
from PIL import Image

from models.datasets.beginning import look
from models.drawing.outline import draw
from models.recognition.propose import propose
from tests.conftest import SAMPLES
from tests.support.data import own as folder
from tests.support.data.own import KIND
from tilefleet.errors import BadCollection, BadKind
from tilefleet.kind import BUILTIN


def near(found, wanted, most=2) -> bool:
    return len(found) == len(wanted) and all(
        abs(a - b) <= most for a, b in zip(found, wanted, strict=True)
    )


def test_the_samples_layout_is_found():
    pictures = [np.asarray(Image.open(path).convert("RGB")) for path in SAMPLES.glob("*.jpg")]
    found, wanted = propose(pictures), BUILTIN.layout
    assert near(found.lefts, wanted.lefts)
    assert near(found.tops, wanted.tops)
    assert near(found.tile, wanted.tile)
    x, y, width, height = found.header
    assert x <= wanted.header[0] + 14
    assert y + height <= wanted.tops[0]
    assert x + width > 200


@pytest.mark.parametrize("gap", [0, 1, 6])
def test_a_grid_is_found_with_and_without_paper_between_its_tiles(gap):
    random = np.random.default_rng(1)
    pictures = []
    for _ in range(20):
        page = np.full((30 + 3 * (30 + gap), 4 * (34 + gap), 3), 255, np.uint8)
        page[8:20, 10 : 10 + random.integers(20, 60)] = random.integers(0, 90)
        for row in range(3):
            for column in range(4):
                y, x = 30 + row * (30 + gap), column * (34 + gap)
                page[y : y + 30, x : x + 34] = random.integers(0, 256, 3)
        pictures.append(page)
    found = propose(pictures)
    assert (found.rows, found.columns) == (3, 4)
    assert near(found.lefts, [column * (34 + gap) for column in range(4)])
    assert near(found.tops, [30 + row * (30 + gap) for row in range(3)])
    assert near(found.tile, (34, 30))


def test_a_folder_is_looked_at_with_its_words_and_how_many_tiles_they_have(tmp_path):
    found = look(folder.write(tmp_path, captchas=40, kind=False))
    assert near(found.layout.lefts, KIND.layout.lefts)
    assert near(found.layout.tops, KIND.layout.tops)
    assert near(found.layout.tile, KIND.layout.tile)
    assert sorted(found.words) == sorted(KIND.labels)
    assert found.given == (False, False)
    assert len(found.shares) == 6
    assert sum(found.shares) == pytest.approx(1, abs=1e-3)
    drawn = draw(found.sample, found.layout)
    assert drawn.size == (600, 600)


def test_what_is_written_holds(tmp_path):
    data = folder.write(tmp_path)
    found = look(data)
    assert found.given == (True, True)
    assert (found.layout, found.words) == (KIND.layout, KIND.labels)
    # The layout that was drawn is none of the captchas.
    draw(found.sample, found.layout).save(data / "layout.png")
    assert look(data).count == 12


def test_a_folder_like_a_models_has_its_layout_and_its_words_first(tmp_path):
    data = folder.write(tmp_path, kind=False)
    found = look(data, KIND)
    assert found.layout == KIND.layout
    assert found.words == KIND.labels
    with pytest.raises(
        BadCollection, match="no picture is of 293×190, as its layout; they are 120"
    ):
        look(data, BUILTIN)


def test_pictures_of_two_sizes_too_few_and_none_are_said_so(tmp_path):
    data = folder.write(tmp_path, kind=False, tiles=0)
    Image.new("RGB", (50, 60)).save(data / "other.png")
    with pytest.raises(BadCollection, match=r"pictures of 2 sizes: 120×120 \(12\), 50×60 \(1\)"):
        look(data)
    for path in sorted(data.glob("*.png"))[3:]:
        path.unlink()
    with pytest.raises(BadCollection, match="3 pictures do not tell what changes"):
        look(data)
    for path in data.glob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(BadCollection, match="none of 3 pictures can be read"):
        look(data)
    for path in data.glob("*.png"):
        path.unlink()
    with pytest.raises(BadCollection, match=r"has no pictures \(\.bmp, "):
        look(data)


def test_no_grid_and_no_header_are_said_so():
    random = np.random.default_rng(2)
    white = np.full((60, 60, 3), 255, np.uint8)
    with pytest.raises(
        BadCollection, match="no grid of tiles is to be seen in 6 pictures of 60×60"
    ):
        propose([white] * 6)
    noise = [random.integers(0, 256, (60, 60, 3), np.uint8) for _ in range(6)]
    with pytest.raises(BadCollection, match=r"(is|are) to be seen"):
        propose(noise)


def test_a_broken_layout_is_not_written_over(tmp_path):
    data = folder.write(tmp_path)
    (data / "layout.toml").write_text("size = 3")
    with pytest.raises(BadKind):
        look(data)
    assert (data / "layout.toml").read_text() == "size = 3"
