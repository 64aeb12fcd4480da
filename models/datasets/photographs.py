"""Photographs of anything, for a teacher to talk about: an archive of small picture files."""

import io
import zipfile
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from models.datasets.pictures import MARGIN, UNKNOWN, Pictures, with_mirror
from tilefleet.errors import BadTiles
from tilefleet.kind import BUILTIN, Kind

#: In a folder of data.
FILENAME: Final = "photos.zip"


def photographs(archive: Path, kind: Kind = BUILTIN) -> Pictures:
    """The pictures of a zip file, scaled to a tile with its margin; nothing is known of them.

    Raises BadTiles.
    """
    size = (kind.layout.tile[0] + 2 * MARGIN, kind.layout.tile[1] + 2 * MARGIN)
    images = []
    try:
        with zipfile.ZipFile(archive) as file:
            for name in sorted(file.namelist()):
                with Image.open(io.BytesIO(file.read(name))) as image:
                    scaled = image.convert("RGB").resize(size, Image.Resampling.BICUBIC)
                images.append(with_mirror(np.asarray(scaled)))
    except (OSError, zipfile.BadZipFile) as error:
        raise BadTiles(f"{archive}: {error}") from None
    if not images:
        raise BadTiles(f"{archive} has no pictures")
    truth = np.zeros((len(images), len(kind.labels)), np.float32)
    return Pictures(tuple(images), truth, np.full(len(images), UNKNOWN))


def count(archive: Path) -> int:
    """How many files the archive has; raises BadTiles."""
    try:
        with zipfile.ZipFile(archive) as file:
            return len(file.namelist())
    except (OSError, zipfile.BadZipFile) as error:
        raise BadTiles(f"{archive}: {error}") from None
