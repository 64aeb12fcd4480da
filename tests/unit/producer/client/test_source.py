"""What may be given as a captcha, a time, …: no more is read than can be sent; what is wrong is
told with its value."""

import asyncio
import io
import math
import os
import re
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from producer.client.source import read
from tilefleet import (
    AsyncClient,
    BadArgument,
    BadMessage,
    Client,
    NotAnImage,
    SettingError,
    TooLarge,
    wire,
)
from tilefleet.testing import AsyncFakeFleet, FakeFleet


class Endless(io.RawIOBase):
    """As much as is asked for, and it says how much that was."""

    def __init__(self) -> None:
        self.given = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        self.given += len(buffer)
        return len(buffer)


@pytest.mark.parametrize("wrapped", [lambda file: file, io.BufferedReader])
def test_of_a_file_without_an_end_no_more_is_read_than_can_be_sent(wrapped):
    file = Endless()
    with pytest.raises(TooLarge, match=f"at most {wire.MOST_IMAGE_BYTES}"):
        read(wrapped(file))
    assert file.given < 1.1 * wire.MOST_IMAGE_BYTES
    with Path("/dev/zero").open("rb") as device, pytest.raises(TooLarge):
        read(device)
    with pytest.raises(TooLarge):
        read("/dev/zero")


def test_open_files_of_all_kinds_are_read_to_their_end(tmp_path):
    path = tmp_path / "captcha.jpg"
    path.write_bytes(b"any picture" * 10_000)
    with path.open("rb") as buffered, path.open("rb", buffering=0) as plain:
        assert read(buffered) == read(plain) == read(path) == path.read_bytes()
    assert read(io.BytesIO(b"any")) == b"any"
    assert read(io.BytesIO()) == b""
    reading, writing = os.pipe()
    os.write(writing, b"some of it")
    os.close(writing)
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        assert read(pipe) == b"some of it"


def test_what_gives_text_is_said_to_do_so():
    with pytest.raises(BadMessage, match="binary mode"):
        read(io.StringIO("any"))


def test_what_is_a_picture_as_text_or_where_one_is_says_what_to_give(tmp_path):
    with pytest.raises(BadMessage, match=r"'aaaaa.*', 20000 characters, .* base64\.b64decode"):
        read("a" * 20_000)
    for given in ("", "data:image/jpeg;base64,xx", "https://host.example/captcha.jpg"):
        with pytest.raises(BadMessage, match=f"'{given}' is no path of a file: give its bytes"):
            read(given)
    with pytest.raises(BadMessage, match="embedded null byte"):
        read("a\0b")
    path = tmp_path / "captcha.jpg"
    path.write_bytes(b"\xff\xd8 a picture")
    with path.open(encoding="utf-8") as text, pytest.raises(BadMessage, match="binary mode"):
        read(text)


NUMBERS = [None, "5", True, math.nan, [], 2 + 0j, timedelta(seconds=5)]


@pytest.mark.parametrize("wrong", NUMBERS, ids=repr)
def test_a_time_that_is_none_is_told_with_its_value_by_every_method(wrong):
    async def of_the_asynchronous() -> None:
        async with AsyncFakeFleet() as fleet:
            with pytest.raises(BadArgument, match=said):
                await fleet.solve(b"any", timeout=wrong)
            with pytest.raises(BadArgument, match=said):
                [pair async for pair in fleet.map([b"any"], timeout=wrong)]
            with pytest.raises(BadArgument, match=said):
                await (await fleet.submit(b"any")).result(wrong)

    said = re.escape(f"={wrong!r}; give seconds, as a number")
    with FakeFleet() as fleet:
        pending = fleet.submit(b"any")
        for call in (
            lambda: fleet.solve(b"any", timeout=wrong),
            lambda: fleet.submit(b"any", expires=wrong),
            lambda: pending.result(wrong),
            lambda: list(fleet.outcomes([b"any"], timeout=wrong, bulk=True)),
            lambda: fleet.when(b"any", NotAnImage("any"), delay_s=wrong),
        ):
            with pytest.raises(BadArgument, match=said):
                call()
        assert len(fleet.received) == 1
    asyncio.run(of_the_asynchronous())


def test_numbers_of_all_kinds_are_times():
    with FakeFleet() as fleet:
        for timeout in (5, Decimal("5.5"), Fraction(5), np.float32(5), np.int64(5)):
            assert fleet.solve(b"any", timeout=timeout).picks
        assert fleet.submit(b"any").result(10**400).picks
        with pytest.raises(BadMessage, match="cannot expire in inf s"):
            fleet.solve(b"any", timeout=10**400)


def test_one_captcha_where_several_are_wanted_is_not_taken_apart(tmp_path):
    path = tmp_path / "captcha.jpg"
    path.write_bytes(b"any\npicture")
    with FakeFleet() as fleet, path.open("rb") as file:
        for one in ("captcha.jpg", b"any", bytearray(b"any"), path, file, None):
            with pytest.raises(BadArgument, match=r"sources=.*; give several"):
                list(fleet.outcomes(one))
        for window in (0, 1.5, math.inf, math.nan, "5", None):
            with pytest.raises(BadArgument, match=f"window={window!r}; give a whole number"):
                list(fleet.map([b"any"], window=window))
        assert fleet.received == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"broker_url": b"redis://:secret@host"}, r"b'redis://:\*+@host' is not usable"),
        ({"broker_url": ["redis://host"]}, r"\['redis://host'\] is not usable"),
        ({"result_backend": 6379}, "6379 is not usable: give a URL"),
        ({"shards": "redis://:secret@a redis://b"}, r"shards='redis://:\*+@a .*: give a list"),
        ({"shards": 5}, "shards=5 is not usable: give a list"),
        ({"shards": [None]}, "'' is not usable"),
    ],
)
@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_what_is_no_address_is_told_where_the_client_is_made(client, wrong, said):
    with pytest.raises(SettingError, match=said) as error:
        client(**wrong)
    assert "secret" not in str(error.value)
