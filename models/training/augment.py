"""Many views of a tile: moved, turned, mirrored, recoloured, mixed with another, compressed."""

import io
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from models.datasets.pictures import MARGIN, MIRRORED
from tilefleet.kind import BUILTIN

Tiles = NDArray[np.uint8]
Random = np.random.Generator

Size = tuple[int, int]
#: Width and height of a tile of the built-in's.
_TILE: Size = BUILTIN.layout.tile

#: Shares of the pictures of a batch that are …
BLENDED = 0.15
PASTED = 0.15
COMPRESSED = 0.5
#: Logarithms of the least and the most that a part is enlarged.
ZOOM = (0.1, 0.9)


def view(
    image: Image.Image,
    random: Random,
    *,
    zoomed: float = 0.0,
    size: Size = _TILE,
    mirrored: bool = True,
) -> Image.Image:
    """A view of a picture that has the tile, of `size`, in its middle; of a part of it in a share
    of `zoomed`; half of the views are mirrored, unless that would be another thing."""
    scale = math.exp(random.normal(0, 0.10))
    zoom = math.exp(random.uniform(*ZOOM)) if zoomed and random.random() < zoomed else 1.0
    scale *= zoom
    stretch = math.exp(random.normal(0, 0.05))
    angle = random.normal(0, math.radians(5))
    mirror = random.choice((-1.0, 1.0)) if mirrored else 1.0
    width, height = size
    # What is cut off may be on any side.
    x, y = random.normal(0, 2.0 + width / 4 * (1 - 1 / zoom), 2)
    cosine, sine = math.cos(angle) / scale, math.sin(angle) / scale
    a, b = mirror * cosine * stretch, -mirror * sine
    d, e = sine * stretch, cosine
    across, down = image.width / 2 + x, image.height / 2 + y
    data = (
        *(a, b, across - (a * width + b * height) / 2),
        *(d, e, down - (d * width + e * height) / 2),
    )
    return image.transform(
        size,
        Image.Transform.AFFINE,
        data,
        resample=Image.Resampling.BILINEAR,
    )


def shifted(image: Image.Image, random: Random, most: int = 8) -> Image.Image:
    """A view moved by whole pixels, up to `most` each way, and mirrored in half of the cases: every
    pixel stays as sharp as it is."""
    width, height = _TILE
    left, top = (image.width - width) // 2 + random.integers(-most, most + 1, 2)
    part = image.crop((int(left), int(top), int(left) + width, int(top) + height))
    return ImageOps.mirror(part) if random.random() < 0.5 else part


def on_ground(image: Image.Image, random: Random) -> Image.Image:
    """A transparent drawing on a random light or coloured ground, with room around it."""
    side = _TILE[0] + 2 * (MARGIN + MIRRORED)
    ground = 255 - random.integers(0, 90) * random.random(3)
    canvas = Image.new("RGB", (side, side), tuple(int(value) for value in ground))
    corner = (side - _TILE[0]) // 2
    canvas.paste(image, (corner, corner), image)
    return canvas


def recolour(tiles: NDArray[np.float32], random: Random) -> NDArray[np.float32]:
    """Change brightness, contrast, saturation and tint of float32 (n, h, w, 3), 0 to 255."""
    n = len(tiles)
    mean = tiles.mean(axis=(1, 2, 3), keepdims=True)
    contrast = np.exp(random.normal(0, 0.20, (n, 1, 1, 1))).astype(np.float32)
    tint = np.exp(random.normal(0, 0.06, (n, 1, 1, 3))).astype(np.float32)
    shift = random.normal(0, 15, (n, 1, 1, 1)).astype(np.float32)
    saturation = np.exp(random.normal(-0.05, 0.25, (n, 1, 1, 1))).astype(np.float32)
    grey = tiles.mean(axis=3, keepdims=True)
    changed = ((grey + (tiles - grey) * saturation - mean) * contrast + mean + shift) * tint
    return np.asarray(changed, np.float32)


def mix(
    tiles: NDArray[np.float32], random: Random
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
    """Blend some pictures with others of the batch, or paste a part of another into them.

    Returns the pictures, the index of each one's other picture, and the share of the first.
    """
    n, whole = len(tiles), tiles.shape[1:3]
    others = random.permutation(n)
    share = np.ones(n, np.float32)
    kind = random.random(n)
    mixed = tiles.copy()
    for index in np.flatnonzero(kind < BLENDED + PASTED):
        kept = random.uniform(0.3, 1)
        if kind[index] < BLENDED:
            mixed[index] = kept * tiles[index] + (1 - kept) * tiles[others[index]]
        else:
            side = math.sqrt(1 - kept)
            ratio = math.exp(random.normal(0, 0.3))
            height = min(whole[0], round(whole[0] * side * ratio))
            width = min(whole[1], round(whole[1] * side / ratio))
            y = random.integers(0, whole[0] - height + 1)
            x = random.integers(0, whole[1] - width + 1)
            part = (slice(y, y + height), slice(x, x + width))
            mixed[index][part] = tiles[others[index]][part]
            kept = 1 - height * width / (whole[0] * whole[1])
        share[index] = kept
    return mixed, others, share


def compress(tile: Tiles, random: Random) -> Tiles:
    """As JPEG of some quality, and back."""
    buffer = io.BytesIO()
    Image.fromarray(tile).save(buffer, "JPEG", quality=int(random.integers(40, 96)))
    return np.asarray(Image.open(buffer))


def finish(tiles: NDArray[np.float32], random: Random) -> Tiles:
    """To uint8, with a little noise in a few and JPEG's traces in half of them."""
    noisy = random.random(len(tiles)) < 0.1
    if noisy.any():
        tiles[noisy] += random.normal(0, 8, tiles[noisy].shape).astype(np.float32)
    pixels = np.clip(np.rint(tiles), 0, 255).astype(np.uint8)
    for index in np.flatnonzero(random.random(len(tiles)) < COMPRESSED):
        pixels[index] = compress(pixels[index], random)
    return pixels
