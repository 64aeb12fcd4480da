"""Photographs of anything, from an archive."""

import io
import zipfile

import pytest
from PIL import Image

from models.datasets.photographs import photographs
from tilefleet.errors import BadTiles


def test_photographs_come_out_of_an_archive_and_one_that_is_none_is_named(tmp_path):
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (200, 10, 10)).save(buffer, "PNG")
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("0.png", buffer.getvalue())
    found = photographs(tmp_path / "photos.zip")
    assert found.tiles().shape == (1, 67, 67, 3)
    assert tuple(found.tiles()[0, 33, 33]) == (200, 10, 10)
    assert found.truth.sum() == 0
    (tmp_path / "bad.zip").write_bytes(b"no archive")
    with pytest.raises(BadTiles, match=r"bad\.zip"):
        photographs(tmp_path / "bad.zip")
