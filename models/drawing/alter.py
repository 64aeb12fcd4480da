"""The same picture again, slightly altered; and other pictures of the same thing.

The site drew its tiles from a finite pool: a picture comes back in other captchas, moved by a pixel
or two, a little lighter or paler, with some noise, and compressed once more.
"""

import io
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

#: Room around the tile that a moved copy may show, pixels.
MARGIN = 6

_SHIFTS, _SHIFT_SHARES = (-2, -1, 0, 1, 2), (0.1, 0.2, 0.4, 0.2, 0.1)
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def again(picture: Image.Image, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A slightly altered copy, uint8 (h, w, 3), of a picture with a tile inside `MARGIN`."""
    right, down = rng.choice(_SHIFTS, 2, p=_SHIFT_SHARES)
    if rng.random() < 0.5:
        # Scaled or cut elsewhere on the way: between the pixels.
        right, down = right + rng.uniform(-0.5, 0.5), down + rng.uniform(-0.5, 0.5)
    data = (1, 0, MARGIN + right, 0, 1, MARGIN + down)
    size = (picture.width - 2 * MARGIN, picture.height - 2 * MARGIN)
    tile = picture.transform(size, Image.Transform.AFFINE, data, Image.Resampling.BILINEAR)
    return _compress(_speckle(_relight(np.asarray(tile), rng, strength=1.0), rng), rng)


def another(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Another picture of the same thing, as large: a part, turned, mirrored, in other light."""
    scale = rng.uniform(0.62, 0.9)
    stretch = math.exp(rng.normal(0, 0.1))
    angle = rng.uniform(-0.3, 0.3)
    mirror = rng.choice((-1.0, 1.0))
    a, b = scale * stretch * math.cos(angle) * mirror, scale * math.sin(angle)
    d, e = -scale * stretch * math.sin(angle) * mirror, scale * math.cos(angle)
    middle = np.array(picture.size) / 2
    x, y = middle + rng.uniform(-9, 9, 2)
    across, down = middle
    data = (a, b, x - a * across - b * down, d, e, y - d * across - e * down)
    view = picture.transform(picture.size, Image.Transform.AFFINE, data, Image.Resampling.BILINEAR)
    return Image.fromarray(_relight(np.asarray(view), rng, strength=3.0))


def _relight(
    pixels: NDArray[np.uint8], rng: np.random.Generator, *, strength: float
) -> NDArray[np.uint8]:
    """Other brightness, contrast, saturation and tint."""
    saturation, contrast = np.exp(rng.normal(0, 0.06 * strength, 2))
    # Every one of them is linear in the colours: one matrix and an offset.
    matrix = contrast * (saturation * np.eye(3) + (1 - saturation) * _LUMA[:, np.newaxis])
    shift = rng.normal(0, 6 * strength) + rng.normal(0, 3 * strength, 3)
    mean = pixels.mean(axis=(0, 1)) @ _LUMA
    colours = pixels.astype(np.float32) @ matrix.astype(np.float32)
    colours += (mean * (1 - contrast) + shift).astype(np.float32)
    return _to_bytes(colours)


def _speckle(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A little noise."""
    noise = rng.standard_normal(pixels.shape, np.float32)
    return _to_bytes(pixels + noise * np.float32(rng.uniform(0, 4)))


def _to_bytes(colours: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(colours).clip(0, 255).astype(np.uint8)


def _compress(tile: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    file = io.BytesIO()
    Image.fromarray(tile).save(file, "JPEG", quality=int(rng.integers(55, 96)))
    return np.asarray(Image.open(file))
