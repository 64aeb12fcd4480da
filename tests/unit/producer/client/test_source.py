"""What may be given as a captcha: no more of it is read than can be sent."""

import io
import os
from pathlib import Path

import pytest

from producer.client.source import read
from tilefleet import wire
from tilefleet.errors import BadMessage, TooLarge


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
