"""Whatever the bytes: pixels of a captcha, or an error of ours; soon, and nothing stays behind."""

import gc
import random
import subprocess
import sys
from pathlib import Path
from time import monotonic

import numpy as np
import pytest
from hypothesis import given

from models.recognition import image
from tests.fuzz.effort import LONG, fuzz
from tests.fuzz.strategies import PICTURES, images, not_bytes
from tilefleet.errors import BadRequest
from tilefleet.kind import BUILTIN

FUZZ = fuzz(400, 20_000, 200_000)


def read(data: object) -> bool:
    started = monotonic()
    why, pixels = "", None
    try:
        pixels = image.decode(data, BUILTIN.layout, max_bytes=1 << 20)
    except BadRequest as error:
        why = str(error)
    assert monotonic() - started < 2
    if pixels is None:
        assert 0 < len(why) < 500
        return False
    assert pixels.shape == (190, 293, 3)
    assert pixels.dtype == np.uint8
    return True


@FUZZ
@given(images)
def test_any_bytes_are_a_captcha_or_a_bad_request(data):
    read(data)


@given(not_bytes)
def test_what_is_no_bytes_is_a_bad_request(data):
    with pytest.raises(BadRequest):
        image.decode(data, BUILTIN.layout, max_bytes=1 << 20)


def resident_kb() -> int:
    with Path("/proc/self/status").open() as status:
        return int(next(line.split()[1] for line in status if line.startswith("VmRSS")))


def test_memory_does_not_grow_with_bad_images():
    warm, many = (10_000, 100_000) if LONG else (500, 2_500)
    chance = random.Random(12306)

    def broken() -> bytes:
        data = bytearray(chance.choice(PICTURES))
        for _ in range(chance.randrange(1, 8)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        return bytes(data[: chance.randrange(1, len(data) + 1)])

    for number in range(many):
        read(broken())
        if number == warm:
            gc.collect()
            before = resident_kb()
    gc.collect()
    assert resident_kb() < 1.1 * before


#: MiB that a process takes for a look through a picture; what it had before is no part of its peak.
_LOOK = """
import io, sys
from pathlib import Path
import numpy as np
from PIL import Image
from models.recognition import image
from tilefleet.errors import WrongSize
from tilefleet.kind import BUILTIN

def saved(width, height, mode, kind):
    rows = np.random.default_rng(1).integers(100, 140, (height, 1, 3), np.uint8)
    out = io.BytesIO()
    page = Image.fromarray(np.broadcast_to(rows, (height, width, 3)))
    page.convert(mode).save(out, kind)
    return out.getvalue()

def look(data):
    try:
        image.read(data, BUILTIN.layout, max_bytes=4 << 20)
    except WrongSize as error:
        assert "are to be seen" in str(error), error

def most():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) >> 10

width, height, mode, kind = sys.argv[1:]
data = saved(int(width), int(height), mode, kind)
look(saved(300, 200, mode, kind))
Path("/proc/self/clear_refs").write_text("5")
before = most()
look(data)
print(most() - before)
"""


@pytest.mark.parametrize("size", [(3840, 2160), (1000, 8294)])
@pytest.mark.parametrize(("mode", "kind"), [("RGB", "JPEG"), ("RGBA", "PNG"), ("CMYK", "JPEG")])
def test_the_largest_picture_takes_less_than_6_times_its_pixels(size, mode, kind):
    done = subprocess.run(
        [sys.executable, "-c", _LOOK, *map(str, size), mode, kind],
        capture_output=True,
        text=True,
        timeout=540,
    )
    assert not done.stderr
    assert int(done.stdout) < 6 * 3840 * 2160 * 3 / 2**20
