"""A small folder of data of a kind of its own: coloured tiles, asked for by the colour's name."""

import csv
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from models.datasets import kinds
from tilefleet.kind import Kind
from tilefleet.layout import Layout

COLOURS = {"red": (200, 30, 30), "green": (30, 170, 30), "blue": (30, 30, 210), "grey": (90,) * 3}
KIND = Kind(
    tuple(COLOURS),
    Layout((120, 120), (0, 0, 120, 20), (30, 40), (6, 44, 82), (24, 70), (15, 20), 1),
    (1 / 6,) * 6,
)


def tile(word: str, random: np.random.Generator) -> Image.Image:
    """A tile of a colour, with noise."""
    width, height = KIND.layout.tile
    noise = random.normal(0, 12, (height, width, 3))
    return Image.fromarray((np.array(COLOURS[word]) + noise).clip(0, 255).astype(np.uint8))


def captcha(random: np.random.Generator) -> tuple[Image.Image, str, list[int]]:
    """A captcha, its word, and the right tiles."""
    layout = KIND.layout
    shown = random.choice(KIND.labels, layout.count)
    word = str(shown[random.integers(layout.count)])
    page = Image.new("RGB", layout.size, "white")
    ImageDraw.Draw(page).text((8, 4), word, "black", ImageFont.load_default(size=12))
    for each, place in zip(shown, layout.corners, strict=True):
        page.paste(tile(str(each), random), place)
    return page, word, [int(place) + 1 for place in np.flatnonzero(shown == word)]


def write(folder: Path, *, tiles: int = 8, captchas: int = 12, kind: bool = True) -> Path:
    """So many labelled tiles of each word, and captchas with answers.csv."""
    random = np.random.default_rng(3)
    folder.mkdir(parents=True, exist_ok=True)
    for word in COLOURS if tiles else ():
        (folder / "tiles" / word).mkdir(parents=True)
        for number in range(tiles):
            tile(word, random).save(folder / "tiles" / word / f"{number}.png")
    if captchas:
        with (folder / "answers.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["file", "words", "picks"])
            for number in range(captchas):
                page, word, picks = captcha(random)
                page.save(folder / f"{number:02}.png")
                table.writerow([f"{number:02}.png", word, " ".join(map(str, picks))])
    if kind:
        kinds.write_kind(folder, KIND)
    return folder
