"""Which pictures come back in a folder of captchas, and which signature tells them apart best."""

import csv

import numpy as np
import pytest
from PIL import Image

from models.bootstrap import dedupe, signatures
from models.bootstrap.dedupe import Curve
from models.drawing import tiles as pictures
from models.drawing.collection import plan
from tilefleet.errors import TilefleetError
from tilefleet.settings import Settings


def quiet(step):
    return lambda done, of: None


def test_the_pictures_of_a_folder_are_numbered(tmp_path):
    drawn = plan(pictures.TILES, captchas=12, pool=10, seed=4)
    drawn.write(tmp_path / "in")
    (tmp_path / "in" / "broken.jpg").write_bytes(b"<html>")
    settings = Settings()
    lines = dedupe.find(
        tmp_path / "in", tmp_path / "out", settings=settings, name="colour", begin=quiet
    )
    with (tmp_path / "out" / "pictures.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows[::8]] == [drawn.name(number) for number in range(12)]
    # One picture never has the number of another.
    shown = dict(zip([row["picture"] for row in rows], drawn.shown.ravel().tolist(), strict=True))
    assert all(
        shown[row["picture"]] == picture
        for row, picture in zip(rows, drawn.shown.ravel().tolist(), strict=True)
    )
    assert lines[0] == "12 captchas, 1 unreadable files"
    assert f"{len(shown)} pictures on 96 tiles, by colour" in lines
    assert any(line.startswith("skipped broken.jpg: NotAnImage") for line in lines)


def test_signatures_are_compared_in_a_table_and_a_picture(tmp_path, monkeypatch):
    monkeypatch.setattr(signatures, "NAMES", ("difference", "colour"))
    lines = dedupe.compare(pictures.TILES, tmp_path, seed=1, begin=quiet)
    assert lines[3].startswith("| difference | 0.")
    assert lines[4].startswith("| colour | 0.")
    with Image.open(tmp_path / "curves.png") as picture:
        assert min(picture.size) > 300


def test_a_threshold_is_the_largest_with_the_precision():
    curve = Curve(
        np.array([0.1, 0.2, 0.3]), np.array([1.0, 0.99, 0.8]), np.array([0.3, 0.6, 0.9]), 0.1
    )
    assert [curve.recall_at(precision) for precision in dedupe.PRECISIONS] == [0.3, 0.6, 0.6]
    hopeless = Curve(np.array([0.1]), np.array([0.5]), np.array([0.3]), 0.1)
    assert hopeless.recall_at(0.9) == 0


def test_a_signature_that_is_none_is_refused(tmp_path):
    with pytest.raises(TilefleetError, match="no signature called 'md5'"):
        dedupe.find(tmp_path, tmp_path, settings=Settings(), name="md5", begin=quiet)
