"""Bytes to pixels; what is no captcha is refused.

Size and format are checked on the file's header, before any pixel is decoded, so a decompression
bomb costs no memory. A picture of exactly the layout's size is the captcha; in any other one that
may hold it, it is looked for (`models.recognition.locate`).
"""

import io
import re
import struct
import warnings
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from models.recognition import locate
from models.recognition.place import Place
from models.recognition.search import SCALES
from tilefleet.errors import BadMessage, BrokenImage, NotAnImage, TooLarge, WrongSize
from tilefleet.layout import Layout

# What Pillow finds odd in a file is read or refused here. Muted once and for all, because
# `warnings.catch_warnings` is not for threads.
warnings.filterwarnings("ignore", module=r"PIL\.")

Pixels = NDArray[np.uint8]

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")

#: What Pillow's decoders raise on a damaged file, besides its own errors: a palette that is missing
#: is an assertion.
_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    LookupError,
    EOFError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    TypeError,
    struct.error,
    zlib.error,
)

_END_OF_JPEG = b"\xff\xd9"
#: A JPEG's segments before the first scan: any fill bytes, the marker, the length with its own two
#: bytes. (ITU-T T.81, annex B)
_SEGMENT = re.compile(rb"\xff+([^\x00\xff])(..)", re.DOTALL)
#: Frames of one pass over the picture (baseline, extended), and the beginning of a scan.
_SEQUENTIAL, _SCAN = (b"\xc0", b"\xc1"), b"\xda"
#: What ends a scan: any marker but restarts; 0xFF before a zero is data.
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")

#: What makes a small file long work, and how often it may occur: each scan of a JPEG goes over the
#: whole picture, each profile of a PNG unpacks a megabyte. Real files have ten scans, one profile.
_COSTLY = ((b"\xff\xd8", b"\xff\xda", 100, "scans"), (b"\x89PNG", b"iCCP", 4, "profiles"))


#: Pixels of a picture in which a captcha is looked for, at most: those of a 4K screen.
_MOST_PIXELS = 3840 * 2160
#: In more, it takes long to look for one; a captcha of twice the size has fewer.
_QUICK_PIXELS = 250_000
#: EXIF's tag of how a picture is turned, and the values that swap its sides. (CIPA DC-008, 4.6.4)
_ORIENTATION, _UPRIGHT, _SIDEWAYS = 0x0112, (None, 0, 1), (5, 6, 7, 8)


class TakesLong(Exception):
    """A captcha is to be looked for in a large picture: decode it where nobody waits behind it."""


def decode(data: object, layout: Layout, *, max_bytes: int) -> Pixels:
    """Decode one picture of exactly that layout; as `read`, and raises WrongSize for others."""
    pixels, place = read(data, layout, max_bytes=max_bytes)
    if place is not None:
        raise WrongSize(f"a captcha is at {place.grid} of a larger picture; one is {layout}")
    return pixels


def read(
    data: object, layout: Layout, *, max_bytes: int, quickly: bool = False
) -> tuple[Pixels, Place | None]:
    """Decode one captcha of that layout: uint8 (h, w, 3), RGB, and where in the picture it
    was found, None if it is the picture.

    Accepts JPEG, PNG, WebP, BMP and GIF (its first frame), in any colour mode; transparency is
    laid on white, and a picture that EXIF says is turned is turned. A JPEG that is truncated, or
    has other markers among stray bytes before its end, is read as browsers read it, as long as its
    rows reach the middle of the lowest tiles.

    Raises BadMessage, TooLarge, NotAnImage, WrongSize or BrokenImage, each naming what it saw;
    `quickly`: and TakesLong, before anything is looked for in a large picture.
    """
    if not isinstance(data, bytes | bytearray | memoryview):
        raise BadMessage(f"an image is sent as bytes, not as {type(data).__name__}")
    if len(data) > max_bytes:
        raise TooLarge(f"{len(data)} bytes; at most {max_bytes} are accepted")
    data = bytes(data)
    image = _open(data, layout)
    turned = _turned(image)
    if image.size != layout.size or turned:
        return _found(image, turned, data, layout, quickly=quickly)
    try:
        image.load()
    except _DECODER_ERRORS as error:
        if image.format != "JPEG":
            raise BrokenImage(_broken(image, data, error)) from None
        return _decode_rows(data, layout), None
    try:
        return np.asarray(_to_rgb(image)), None
    except _DECODER_ERRORS as error:
        raise BrokenImage(_broken(image, data, error)) from None


def _open(data: bytes, layout: Layout) -> Image.Image:
    if not data:
        raise NotAnImage("0 bytes")
    for signature, mark, most, what in _COSTLY:
        if data.startswith(signature) and data.count(mark) > most:
            raise BrokenImage(f"{len(data)} bytes with more than {most} {what}")
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise WrongSize(f"{error}; a captcha is {layout}") from None
    except UnidentifiedImageError:
        raise NotAnImage(
            f"{len(data)} bytes that begin with {data[:16]!r} are not {', '.join(FORMATS)}"
        ) from None
    except _DECODER_ERRORS as error:
        raise BrokenImage(f"{len(data)} bytes: {error}") from None


def _broken(image: Image.Image, data: bytes, error: Exception) -> str:
    return f"a {image.format} of {len(data)} bytes: {str(error) or type(error).__name__}"


def _turned(image: Image.Image) -> int:
    """How EXIF says that the picture is turned; 0: it is not."""
    # Nearly none has any: `getexif` would look for it.
    if "exif" not in image.info:
        return 0
    try:
        turned = image.getexif().get(_ORIENTATION)
    except _DECODER_ERRORS:
        return 0
    return 0 if turned in _UPRIGHT or not isinstance(turned, int) else turned


def _found(
    image: Image.Image, turned: int, data: bytes, layout: Layout, *, quickly: bool
) -> tuple[Pixels, Place | None]:
    """A captcha in a picture of another size, or one that is turned."""
    width, height = image.size if turned not in _SIDEWAYS else image.size[::-1]
    seen = f"{width}×{height} pixels ({image.format})"
    if width * height > _MOST_PIXELS:
        raise WrongSize(f"{seen}, more than {_MOST_PIXELS:,}; a captcha is {layout}")
    least = [round(length * SCALES[0] * 0.98) for length in layout.size]
    if width < least[0] or height < least[1]:
        raise WrongSize(f"{seen}, less than half of a captcha, which is {layout}")
    if quickly and width * height > _QUICK_PIXELS:
        raise TakesLong(seen)
    try:
        image.load()
        picture = _to_rgb(ImageOps.exif_transpose(image) if turned else image)
    except _DECODER_ERRORS as error:
        raise BrokenImage(_broken(image, data, error)) from None
    if picture is not image:
        # Both would be in memory while the one is looked through.
        image.close()
    if picture.size == layout.size:
        return np.asarray(picture), None
    best = locate.look(picture, layout)
    if best is None or not best.found:
        sides = 0 if best is None else max(0, round(best.sides * 100))
        raise WrongSize(
            f"{seen} in which no {layout.rows}×{layout.columns} tiles are to be seen: at the "
            f"likeliest place are {sides} % of their sides; a captcha is {layout}"
        )
    return locate.cut(picture, layout, best), best.place(layout)


def _decode_rows(data: bytes, layout: Layout) -> Pixels:
    """Close the picture's data with an end marker: the decoder fills what is missing with grey."""
    image = _open(data[: _end_of_scan(data)] + _END_OF_JPEG, layout)
    try:
        image.load()
        pixels = np.asarray(_to_rgb(image))
    except _DECODER_ERRORS as error:
        raise BrokenImage(_broken(image, data, error)) from None
    readable = np.flatnonzero((pixels != 128).any(axis=(1, 2)))
    rows = int(readable[-1]) + 1 if readable.size else 0
    needed = layout.tops[-1] + layout.tile[1] // 2
    if rows < needed:
        raise BrokenImage(
            f"a JPEG cut off after {len(data)} bytes: {rows} of {layout.size[1]} rows "
            f"can be read, at least {needed} are needed"
        )
    return pixels


def _end_of_scan(data: bytes) -> int:
    """Where the data of a JPEG's only scan ends: at its first marker, or with the file.

    The decoder takes no pixel from what follows a marker, but looks there for the end of the file,
    and a marker among stray bytes (the site writes some) makes it refuse a picture that is whole.
    Of a picture in several scans nothing is cut: each adds to it.
    """
    at, components = 2, b""
    while segment := _SEGMENT.match(data, at):
        kind, body = segment[1], segment.end()
        at = body - 2 + int.from_bytes(segment[2])
        if kind in _SEQUENTIAL:
            components = data[body + 5 : body + 6]
        if kind == _SCAN:
            marker = _MARKER.search(data, at)
            only = data[body : body + 1] == components
            return marker.start() if marker and only else len(data)
    return len(data)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        # 16 bits a pixel: Pillow would clip at 255 instead of scaling.
        grey = (np.asarray(image) >> 8).clip(0, 255).astype(np.uint8)
        return Image.fromarray(grey).convert("RGB")
    if image.has_transparency_data:
        page = Image.new("RGBA", image.size, "white")
        page.alpha_composite(image.convert("RGBA"))
        image = page
    # Nearly all are RGB already, of which `convert` would make a copy.
    return image if image.mode == "RGB" else image.convert("RGB")
