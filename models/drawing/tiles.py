"""A folder of tile pictures, ``LL_KK.*``: LL is the label's index, KK tells pictures apart."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tilefleet.errors import BadTiles
from tilefleet.kind import BUILTIN, Kind

#: Our own: pictographs under an open licence (see README.md beside this file).
TILES = Path(__file__).parent / "tiles"

_NAME = re.compile(r"(\d{2,4})_\w+\.(?:png|jpe?g|webp|bmp|gif)", re.IGNORECASE)


def find(folder: Path, kind: Kind = BUILTIN) -> Mapping[int, Sequence[Path]]:
    """Label → its pictures, in order of name.

    Raises BadTiles if the folder holds pictures of fewer than three labels: a captcha asks for
    one or two and shows others beside them.
    """
    found: dict[int, list[Path]] = defaultdict(list)
    for path in sorted(folder.iterdir()):
        match = _NAME.fullmatch(path.name)
        if match and int(match[1]) < len(kind.labels):
            found[int(match[1])].append(path)
    if len(found) < 3:
        index = min(4, len(kind.labels) - 1)
        raise BadTiles(
            f"{folder} has pictures of {len(found)} labels, at least 3 are needed; a picture's "
            f"name begins with its label's index, such as {index:02}_01.png for "
            f"{kind.labels[index]}"
        )
    return found


def draw(path: Path, rng: np.random.Generator, kind: Kind = BUILTIN) -> Image.Image:
    """An RGB tile of a picture; one with transparency is laid on a light ground, a little
    moved, turned and scaled. Raises BadTiles if it cannot be read."""
    width, height = kind.layout.tile
    try:
        with Image.open(path) as file:
            picture = file.convert("RGBA" if file.has_transparency_data else "RGB")
    except OSError as error:
        raise BadTiles(f"{path}: {error}") from None
    if picture.mode == "RGB":
        return picture.resize(kind.layout.tile, Image.Resampling.LANCZOS)
    if rng.random() < 0.5:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    least = min(width, height)
    side = round(least * rng.uniform(0.82, 1.0))
    picture = picture.resize((side, side), Image.Resampling.LANCZOS)
    picture = picture.rotate(rng.uniform(-14, 14), Image.Resampling.BICUBIC)
    tile = _ground(rng, width, height)
    x, y = rng.integers(0, least - side + 1, 2).tolist()
    tile.paste(picture, (x + (width - least) // 2, y + (height - least) // 2), picture)
    return tile


def _ground(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """A light colour that runs into another from top to bottom."""
    top, bottom = 255 - rng.uniform(0, 70, (2, 3)) * rng.random((2, 1))
    ramp = np.linspace(top, bottom, height)[:, np.newaxis, :]
    return Image.fromarray(np.broadcast_to(ramp, (height, width, 3)).astype(np.uint8))
