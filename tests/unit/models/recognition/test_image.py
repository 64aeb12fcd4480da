"""The door: every kind of bytes gets pixels, or one typed error that names what was seen."""

import io
import re
import struct
import zlib
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from models.recognition.image import decode
from tilefleet import errors
from tilefleet.kind import BUILTIN

SIZE = (293, 190)


def picture(mode: str = "RGB", size: tuple[int, int] = SIZE) -> Image.Image:
    noise = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), np.uint8)
    return Image.fromarray(noise).convert(mode)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def read(data: object, max_bytes: int = 2 << 20) -> np.ndarray:
    return decode(data, BUILTIN.layout, max_bytes=max_bytes)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF"])
def test_every_accepted_format_gives_rgb_pixels(kind):
    pixels = read(saved(picture(), kind))
    assert pixels.shape == (190, 293, 3)
    assert pixels.dtype == np.uint8


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("CMYK", "JPEG"),
        ("L", "JPEG"),
        ("L", "PNG"),
        ("1", "PNG"),
        ("P", "PNG"),
        ("LA", "PNG"),
        ("RGBA", "PNG"),
        ("RGBA", "WEBP"),
        ("P", "GIF"),
        ("1", "BMP"),
    ],
)
def test_every_colour_mode_gives_rgb_pixels(mode, kind):
    assert read(saved(picture(mode), kind)).shape == (190, 293, 3)


def test_sixteen_bits_are_scaled_and_not_clipped():
    ramp = np.linspace(0, 65535, 293).astype(np.uint16)
    image = Image.fromarray(np.tile(ramp, (190, 1)))
    pixels = read(saved(image, "PNG"))
    assert pixels[0, 0].tolist() == [0, 0, 0]
    assert pixels[0, 146, 0] == pytest.approx(127, abs=1)
    assert pixels[0, -1].tolist() == [255, 255, 255]


def test_what_is_transparent_shows_white():
    pixels = read(saved(Image.new("RGBA", SIZE, (200, 0, 0, 0)), "PNG"))
    assert pixels.min() == 255


def test_a_transparent_palette_colour_shows_white():
    image = Image.new("P", SIZE, 0)
    image.putpalette([10, 20, 30, 255, 0, 0])
    assert read(saved(image, "PNG", transparency=0)).min() == 255


def test_an_animated_gif_gives_its_first_frame():
    frames = [Image.new("RGB", SIZE, colour) for colour in ("red", "blue")]
    pixels = read(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert pixels[90, 90].tolist() == [255, 0, 0]


def test_stray_bytes_before_the_end_marker_are_normal():
    whole = saved(picture(), "JPEG")
    assert whole.endswith(b"\xff\xd9")
    with_stray = whole[:-2] + b"\x00\x12\x34" + whole[-2:]
    assert np.array_equal(read(with_stray), read(whole))


@pytest.mark.parametrize(
    "marker",
    ["01", "1f", "c0", "c4", "cc", "d3", "d8", "da", "db", "dd", "e0", "ee", "f0", "fe"],
)
def test_a_marker_among_the_stray_bytes_takes_no_pixel(marker):
    whole = saved(picture(), "JPEG")
    stray = bytes.fromhex(f"1204ff{marker}4477210041b2")
    for end in (b"\xff\xd9", b"\xff\xd9\n\n", b""):
        assert np.array_equal(read(whole[:-2] + stray + end), read(whole))


def test_restarts_are_no_end_of_the_scan():
    whole = saved(picture(), "JPEG", restart_marker_rows=2)
    found = read(whole[:-2] + b"\x12\xff\x1f\x33" + whole[-2:])
    assert np.array_equal(found, read(whole))


@pytest.mark.parametrize("after", [0.3, 0.6])
def test_a_jpeg_whose_data_ends_at_a_marker_too_early_is_broken(after):
    data = saved(picture(), "JPEG")
    cut = data[: int(len(data) * after)]
    with pytest.raises(errors.BrokenImage, match=r"of 190 rows can be read"):
        read(cut + b"\x12\xff\x1f\x33\xff\xd9\n\n")


def test_a_jpeg_without_its_last_bytes_is_read_as_browsers_read_it():
    data = saved(picture(), "JPEG")
    pixels = read(data[: int(len(data) * 0.9)])
    assert np.array_equal(pixels[:144], read(data)[:144])


def test_a_jpeg_without_its_lower_tiles_is_broken_and_says_how_much_was_there():
    data = saved(picture(), "JPEG")
    with pytest.raises(errors.BrokenImage, match=r"of 190 rows can be read"):
        read(data[: len(data) // 3])


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (b"", errors.NotAnImage, "0 bytes"),
        (b"hello", errors.NotAnImage, "5 bytes that begin with b'hello'"),
        (b"<html><body>429</body>", errors.NotAnImage, "<html>"),
        (b"\xff\xd8\xff\xe0", errors.BadImage, "4 bytes"),
        (b"%PDF-1.7", errors.NotAnImage, "PDF"),
        ("text", errors.BadMessage, "not as str"),
        (None, errors.BadMessage, "not as NoneType"),
        ([1, 2], errors.BadMessage, "not as list"),
        (b"x" * 3000, errors.TooLarge, "3000 bytes; at most 2000"),
    ],
)
def test_what_is_not_a_picture_is_named(data, error, message):
    with pytest.raises(error, match=message):
        read(data, max_bytes=2000)


@pytest.mark.parametrize("size", [(292, 190), (293, 191), (190, 293), (1, 1), (3000, 2000)])
def test_another_size_is_named(size):
    with pytest.raises(errors.WrongSize, match=f"{size[0]}×{size[1]} pixels"):
        read(saved(Image.new("RGB", size), "GIF"))


def png_claiming(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + crc

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1_000_000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body)


@pytest.mark.parametrize("side", [9_000, 30_000, 2_000_000])
def test_a_decompression_bomb_is_refused_by_its_size_before_it_is_decoded(side):
    with pytest.raises(errors.WrongSize, match="293×190"):
        read(png_claiming(side, side))


def test_a_truncated_png_is_broken():
    data = saved(picture(), "PNG")
    with pytest.raises(errors.BrokenImage, match="PNG"):
        read(data[: len(data) // 2])


def test_damage_anywhere_gives_pixels_or_a_typed_error():
    rng = np.random.default_rng(7)
    for kind in ("JPEG", "PNG", "WEBP", "BMP", "GIF"):
        whole = np.frombuffer(saved(picture(), kind), np.uint8)
        for _ in range(60):
            damaged = whole.copy()
            where = rng.integers(0, min(len(damaged), 2000), 8)
            damaged[where] = rng.integers(0, 256, 8, np.uint8)
            cut = int(rng.integers(1, len(damaged)))
            for data in (damaged, damaged[:cut]):
                with suppress(errors.BadImage):
                    assert read(data.tobytes()).shape == (190, 293, 3)


def test_a_png_without_one_of_its_parts_gives_pixels_or_a_typed_error():
    """Or with one twice, or with nothing in it."""
    errors_seen = []
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        image = picture("I" if mode == "I;16" else mode).convert(mode)
        whole = saved(image, "PNG", **({"transparency": 0} if mode == "P" else {}))
        parts, at = [whole[:8]], 8
        while at < len(whole):
            length = int.from_bytes(whole[at : at + 4])
            parts.append(whole[at : at + 12 + length])
            at += 12 + length
        for number, part in enumerate(parts):
            empty = bytes(4) + part[4:8] + struct.pack(">I", zlib.crc32(part[4:8]))
            for instead in (b"", part * 2, empty):
                data = b"".join([*parts[:number], instead, *parts[number + 1 :]])
                try:
                    assert read(data).shape == (190, 293, 3)
                except errors.BadImage as error:
                    errors_seen.append(str(error))
    assert len(errors_seen) > 40
    assert [error for error in errors_seen if error.endswith(": ")] == []


@pytest.mark.parametrize("folder", ["captchas", "captchas2016", "captchas2020"])
def test_real_captchas_decode_to_their_last_row(data_folder, folder):
    if not (data_folder / folder).is_dir():
        pytest.skip(f"{data_folder} has no {folder}")
    for path in sorted((data_folder / folder).glob("*.jpg")):
        pixels = read(path.read_bytes())
        assert pixels.shape == (190, 293, 3)
        assert (pixels[-1] != 128).any(), path.name


def test_a_jpeg_of_many_scans_is_refused_before_they_are_gone_through():
    data = saved(picture(), "JPEG", quality=30, progressive=True)
    assert read(data).shape == (190, 293, 3)
    scan = data[data.rindex(b"\xff\xda") : -2]
    many = data[:-2] + scan * 100 + data[-2:]
    with pytest.raises(errors.BrokenImage, match="more than 100 scans"):
        read(many)


def test_a_png_of_many_profiles_is_refused_before_they_are_unpacked():
    data = saved(picture(), "PNG", icc_profile=bytes(1000))
    assert read(data).shape == (190, 293, 3)
    start = data.index(b"iCCP") - 4
    (length,) = struct.unpack_from(">I", data, start)
    profile = data[start : start + 12 + length]
    with pytest.raises(errors.BrokenImage, match="more than 4 profiles"):
        read(data[:start] + profile * 5 + data[start:])


def test_as_many_bytes_as_are_allowed_are_read():
    data = saved(picture(), "PNG")
    assert read(data, len(data)).shape == (190, 293, 3)
    with pytest.raises(errors.TooLarge):
        read(data, len(data) - 1)


def test_a_picture_in_several_scans_that_breaks_off_shows_what_all_of_them_have_added():
    smooth = picture().resize((30, 20)).resize(SIZE)
    data = saved(smooth, "JPEG", progressive=True, quality=90)
    whole, broken = (read(each).astype(int) for each in (data, data[:-40]))
    assert abs(whole - broken).mean() < 1


@pytest.mark.parametrize(
    ("size", "seen"),
    [
        ((3841, 2161), "3841×2161 pixels (PNG), more than 8,294,400"),
        ((600, 80), "600×80 pixels (PNG), less than half of a captcha"),
        ((120, 400), "120×400 pixels (PNG), less than half of a captcha"),
    ],
)
def test_in_pictures_too_large_or_too_small_nothing_is_looked_for(size, seen):
    with pytest.raises(errors.WrongSize, match=re.escape(seen)):
        read(saved(Image.new("L", size), "PNG"))


def test_a_picture_that_lies_on_its_side_is_measured_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    with pytest.raises(errors.WrongSize, match="140×90 pixels"):
        read(saved(Image.new("RGB", (90, 140)), "JPEG", exif=exif))
