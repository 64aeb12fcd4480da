"""Whatever the bytes: pixels of a captcha, or an error of ours; soon, and nothing stays behind."""

import gc
import random
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
