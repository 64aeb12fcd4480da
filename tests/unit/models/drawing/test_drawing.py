"""Drawn captchas: known answers, any folder of tiles, the same picture for the same seed."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from models.datasets.truth import truths
from models.drawing import fonts, header, strips
from models.drawing import tiles as pictures
from models.drawing.captchas import generate
from models.recognition.crops import Crops
from tilefleet.errors import BadTiles, TilefleetError
from tilefleet.kind import BUILTIN


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    out = tmp_path_factory.mktemp("drawn")
    generate(pictures.TILES, out, count=40, seed=3)
    return out


def test_drawn_captchas_decode_and_have_answers(drawn):
    known = truths(drawn)
    assert len(known) == 40
    for truth in known:
        Crops.from_bytes(truth.path.read_bytes(), BUILTIN.layout, max_bytes=1 << 20)
        assert truth.known
        assert len(truth.words) in (1, 2)
        assert len(truth.picks) >= len(truth.words)
    assert {len(truth.words) for truth in known} == {1, 2}


def test_the_same_seed_draws_the_same_bytes(drawn, tmp_path):
    generate(pictures.TILES, tmp_path, count=5, seed=3)
    for path in sorted(tmp_path.iterdir()):
        if path.suffix == ".jpg":
            assert path.read_bytes() == (drawn / path.name).read_bytes()


def test_any_folder_of_tile_pictures_will_do(tmp_path):
    tiles = tmp_path / "tiles"
    tiles.mkdir()
    for label, colour in ((0, "red"), (1, "green"), (2, "blue")):
        Image.new("RGB", (90, 50), colour).save(tiles / f"{label:02d}_01.jpg")
    generate(tiles, tmp_path / "out", count=3)
    for truth in truths(tmp_path / "out"):
        assert set(truth.words) <= set(BUILTIN.labels[:3])


def test_a_label_may_have_an_index_of_three_digits(tmp_path):
    kind = replace(BUILTIN, labels=tuple(f"word{number}" for number in range(150)))
    for index in ("07", "99", "100", "149", "150"):
        Image.new("RGB", (20, 20)).save(tmp_path / f"{index}_1.png")
    assert sorted(pictures.find(tmp_path, kind)) == [7, 99, 100, 149]


def test_a_folder_without_tile_pictures_is_refused_with_what_is_needed(tmp_path):
    (tmp_path / "cat.jpg").write_bytes(b"")
    with pytest.raises(BadTiles, match=r"pictures of 0 labels, at least 3 .* 04_01\.png"):
        generate(tmp_path, tmp_path / "out", count=1)


def test_a_tile_picture_that_is_none_is_named(tmp_path):
    for label in range(3):
        (tmp_path / f"{label:02d}_01.png").write_bytes(b"no")
    with pytest.raises(BadTiles, match=r"0\d_01\.png"):
        generate(tmp_path, tmp_path / "out", count=1)


@pytest.mark.parametrize("noisy", [False, True])
@pytest.mark.parametrize("words", [["锣"], ["老虎"], ["辣椒酱"], ["锣", "热水袋"], ["电子秤"] * 2])
def test_headers_of_every_length_leave_ink(words, noisy):
    rng = np.random.default_rng(1)
    strip = header.draw(words, rng, faces=fonts.find(), noisy=noisy)
    assert strip.shape == (28, 176)
    assert strip.dtype == np.uint8
    assert (strip < 230).sum() > 20
    assert header.compress(strip, rng).shape == strip.shape


def test_our_fonts_have_every_character_of_the_labels():
    assert len(fonts.find(needed="".join(BUILTIN.labels))) == 2
    assert fonts.find(needed="龘") == []


def test_a_folder_of_fonts_that_is_not_there_is_named(tmp_path):
    with pytest.raises(TilefleetError, match="nowhere"):
        fonts.find([tmp_path / "nowhere"])


def test_strips_are_the_same_for_the_same_seed():
    one, other = (strips.draw_strips(20, seed=5, faces=fonts.find()) for _ in range(2))
    assert np.array_equal(one.images, other.images)
    assert np.array_equal(one.labels, other.labels)
    assert one.labels.max() <= BUILTIN.none


def test_strips_that_several_processes_draw_are_those_that_one_draws(monkeypatch):
    alone = strips.draw_strips(10, seed=5, faces=fonts.find())
    monkeypatch.setattr(strips, "_CHUNK", 10)
    beside = strips.draw_strips(20, seed=5, faces=fonts.find())
    assert np.array_equal(beside.images[:10], alone.images)
    assert np.array_equal(beside.labels[:10], alone.labels)
    assert not np.array_equal(beside.images[10:], alone.images)


def test_every_drawn_tile_is_of_a_label():
    found = pictures.find(pictures.TILES)
    assert set(found) <= set(range(len(BUILTIN.labels)))
    assert len(found) >= 30
    assert len({hashlib.sha256(p.read_bytes()).digest() for ps in found.values() for p in ps}) == (
        sum(len(paths) for paths in found.values())
    )


def test_how_often_a_word_has_tiles_is_a_distribution():
    assert sum(BUILTIN.tiles_per_word) == pytest.approx(1)
