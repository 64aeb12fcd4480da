"""Pictures as people have them: a captcha is found in what holds it, and nowhere else."""

import io
import itertools
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from models.recognition import locate, search, strengths
from models.recognition.image import read
from models.recognition.locate import Sighting, cut, look
from tests.conftest import SAMPLES
from tilefleet.answer import Grid
from tilefleet.errors import WrongSize
from tilefleet.kind import BUILTIN

LAYOUT = BUILTIN.layout


@pytest.fixture(scope="module")
def captcha():
    with Image.open(SAMPLES / "000.jpg") as file:
        return file.convert("RGB")


def saved(picture, kind="PNG", **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def opened(picture, kind="PNG", **options):
    return read(saved(picture, kind, **options), LAYOUT, max_bytes=8 << 20)


def on_page(captcha, left, top, size=(900, 600)):
    page = Image.new("RGB", size, (244, 246, 249))
    pen = ImageDraw.Draw(page)
    pen.rectangle((0, 0, size[0], 50), fill=(40, 90, 160))
    for row in range(12):
        pen.text((30, 70 + row * 40), f"Line {row} of a page with words around", fill="black")
    page.paste(captcha, (left, top))
    return page


def test_a_picture_of_exactly_the_size_is_the_captcha(captcha):
    pixels, place = opened(captcha)
    assert place is None
    assert np.array_equal(pixels, np.asarray(captcha))


@pytest.mark.parametrize("scale", [0.5, 0.75, 1.25, 2, 4])
def test_a_scaled_captcha_is_found_and_points_are_in_its_own_pixels(captcha, scale):
    size = tuple(round(length * scale) for length in LAYOUT.size)
    pixels, place = opened(captcha.resize(size, Image.Resampling.BICUBIC))
    assert pixels.shape == (*LAYOUT.size[::-1], 3)
    for (x, y), (across, down) in zip(place.points, LAYOUT.points, strict=True):
        assert x == pytest.approx(across * scale, abs=1 + scale)
        assert y == pytest.approx(down * scale, abs=1 + scale)
    assert 0 < place.certainty < 1


@pytest.mark.parametrize(
    ("wider", "is_one"), [(0.97, False), (0.985, True), (1.0, True), (1.015, True), (1.03, False)]
)
def test_all_of_a_picture_is_a_captcha_only_if_it_has_its_shape(captcha, wider, is_one):
    width, height = LAYOUT.size
    picture = captcha.convert("L").resize((round(2 * width * wider), 2 * height))
    whole = [each for each in locate._filling(picture, LAYOUT) if (each.left, each.top) == (0, 0)]
    assert bool(whole) is is_one


@pytest.mark.parametrize("border", [1, 3, 20])
@pytest.mark.parametrize("colour", ["white", "black", "grey"])
def test_a_border_is_left_out(captcha, border, colour):
    page = Image.new("RGB", tuple(length + 2 * border for length in LAYOUT.size), colour)
    page.paste(captcha, (border, border))
    seen = look(page, LAYOUT)
    assert (seen.across, seen.down) == pytest.approx((1, 1), abs=0.02)
    assert seen.left == pytest.approx(border, abs=1.5)
    assert seen.top == pytest.approx(border, abs=1.5)


def test_a_captcha_in_a_screenshot_is_cut_out(captcha):
    _, place = opened(on_page(captcha, 423, 177))
    assert place.grid == Grid(
        tuple(left + 423 for left in LAYOUT.lefts),
        tuple(top + place.grid.tops[0] - LAYOUT.tops[0] for top in LAYOUT.tops),
        LAYOUT.tile,
    )
    assert abs(place.grid.tops[0] - LAYOUT.tops[0] - 177) <= 1


def test_what_was_found_at_its_own_size_is_the_very_pixels(captcha):
    page = on_page(captcha, 300, 200)
    seen = look(page, LAYOUT)
    left, top, right, bottom = map(int, seen.box(LAYOUT))
    assert np.array_equal(
        cut(page, LAYOUT, seen), np.asarray(page.crop((left, top, right, bottom)))
    )


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_picture_is_turned_as_its_exif_data_says(captcha, orientation):
    back = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90}
    turned = captcha.transpose(back.get(orientation, Image.Transpose.ROTATE_270))
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels, place = opened(turned, exif=exif.tobytes())
    assert place is None
    assert np.array_equal(pixels, np.asarray(captcha))


def test_transparency_is_laid_on_white(captcha):
    page = Image.new("RGBA", (350, 240), (0, 0, 0, 0))
    page.paste(captcha, (20, 30))
    pixels, place = opened(page)
    assert place.grid.lefts[0] == LAYOUT.lefts[0] + 20
    assert pixels[0, 0].min() > 240


@pytest.mark.parametrize(
    ("picture", "seen"),
    [
        (Image.new("RGB", (586, 380), "white"), r"586×380 pixels \(PNG\) in which no 2×4 tiles"),
        (on_page(Image.new("RGB", (9, 9)), 0, 0), "900×600 pixels"),
        (Image.new("RGB", (100, 60)), "100×60 pixels .* less than half of a captcha"),
        (Image.new("1", (6000, 6000)), "6000×6000 pixels .* more than"),
    ],
)
def test_where_no_captcha_is_it_is_said_what_was_seen(picture, seen):
    with pytest.raises(WrongSize, match=seen):
        opened(picture)


def test_photographs_and_noise_are_no_captchas():
    random = np.random.default_rng(4)
    for side in (8, 30, 300):
        noise = random.integers(0, 256, (side * 2 // 3, side, 3), np.uint8)
        picture = Image.fromarray(noise).resize((440, 285), Image.Resampling.BICUBIC)
        with pytest.raises(WrongSize, match="no 2×4 tiles"):
            opened(picture)


@pytest.mark.parametrize("small", [1.0, search._COARSE / LAYOUT.size[0]])
def test_rows_that_are_done_apart_are_as_strong_as_together(captcha, monkeypatch, small):
    page = np.asarray(on_page(captcha, 423, 177).convert("L"))
    (whole,) = (strong for _, strong in strengths.strengths(page, LAYOUT, small))
    monkeypatch.setattr(strengths, "_TOGETHER", 1)
    parts = list(strengths.strengths(page, LAYOUT, small))
    assert len(parts) > 2
    assert [first for first, _ in parts] == list(
        range(0, len(whole), round(LAYOUT.size[1] * small))
    )
    assert np.array_equal(np.concatenate([strong for _, strong in parts]), whole)


def test_places_in_rows_that_are_done_apart_are_told_once(captcha, monkeypatch):
    grey = on_page(captcha, 423, 177).convert("L")
    whole = list(search.unscaled(grey, LAYOUT))
    monkeypatch.setattr(strengths, "_TOGETHER", 1)
    assert list(search.unscaled(grey, LAYOUT))[:8] == whole[:8]


@pytest.mark.parametrize("size", [(3840, 2160), (2051, 4044), (1000, 8294), (8294, 1000)])
def test_no_picture_is_long_work_at_any_scale(size, monkeypatch):
    looked_at = []

    def strengths(picture, layout, small):
        looked_at.append(picture.size)
        return iter(())

    monkeypatch.setattr(search, "strengths", strengths)
    assert not list(search.search(Image.new("L", size), LAYOUT))
    assert 30 < len(looked_at) < 110
    assert max(looked_at) <= 3_300_000 * 1.05
    assert sum(looked_at) <= 90_000_000


@pytest.mark.parametrize("scale", [1, 2])
def test_a_captcha_is_found_on_a_page_of_the_most_pixels(captcha, scale):
    size = tuple(length * scale for length in LAYOUT.size)
    page = on_page(captcha.resize(size, Image.Resampling.BICUBIC), 411, 6543, (1080, 7680))
    seen = look(page, LAYOUT)
    assert seen.found
    assert (seen.left, seen.top) == pytest.approx((411, 6543), abs=3 * scale)
    assert (seen.across, seen.down) == pytest.approx((scale, scale), abs=0.02)


def test_a_larger_captcha_is_found_on_a_page_by_its_edges(captcha):
    large = captcha.resize(
        [round(length * 2.6) for length in LAYOUT.size], Image.Resampling.BICUBIC
    )
    _, place = opened(on_page(large, 213, 77, size=(1150, 700)))
    for (x, y), (across, down) in zip(place.points, LAYOUT.points, strict=True):
        assert x == pytest.approx(213 + across * 2.6, abs=4)
        assert y == pytest.approx(77 + down * 2.6, abs=4)


def test_a_captcha_at_its_own_size_shows_its_sides_and_goes_before_others(captcha):
    seen = look(on_page(captcha, 300, 200), LAYOUT)
    assert seen.sides > 0.5
    assert seen.worth == pytest.approx(seen.sides + 0.05)
    assert replace(seen, across=1.1).worth == seen.sides


@pytest.mark.parametrize(("sides", "certainty"), [(0.25, 0.475), (0.5, 0.95), (1.0, 0.95)])
def test_the_fewer_sides_are_there_the_less_sure_is_what_is_read(sides, certainty):
    assert Sighting(0, 0, 1, 1, sides).place(LAYOUT).certainty == certainty


def test_places_at_its_own_size_are_apart(captcha):
    places = [at for _, at in search.unscaled(on_page(captcha, 300, 200).convert("L"), LAYOUT)]
    assert len(places) == 16
    for one, other in itertools.combinations(places, 2):
        assert max(abs(one[0] - other[0]), abs(one[1] - other[1])) > 2


def test_what_reaches_out_of_the_picture_is_white_there(captcha):
    width, height = LAYOUT.size
    dark = Image.new("RGB", (width, height))
    pixels = cut(dark, LAYOUT, Sighting(-6, -6, 1 + 12 / width, 1 + 12 / height, 1.0))
    for row, column in itertools.product((0, -1), (0, -1)):
        assert pixels[row, column].tolist() == [255] * 3
    assert pixels[height // 2, width // 2].tolist() == [0] * 3


def test_the_words_of_a_smaller_one_are_sharpened_by_more_than_its_tiles(captcha):
    small = captcha.resize((147, 95), Image.Resampling.BICUBIC)
    seen = Sighting(0, 0, 147 / LAYOUT.size[0], 0.5, 1.0)
    pixels = cut(small, LAYOUT, seen)
    plain = small.resize(LAYOUT.size, Image.Resampling.BICUBIC)
    x, y, width, height = LAYOUT.header
    left, top = LAYOUT.corners[0]
    for percent, rows, columns in (
        (300, slice(y, y + height), slice(x, x + width)),
        (150, slice(top, top + 40), slice(left, left + 40)),
    ):
        wanted = np.asarray(plain.filter(ImageFilter.UnsharpMask(1, percent, 0)))
        assert np.array_equal(pixels[rows, columns], wanted[rows, columns])
