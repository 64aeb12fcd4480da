"""Captchas of one's own: grids of handwritten digits, whose headers ask for them by number words.

    pip install 'tilefleet[train,digits]'
    python examples/digits.py digits

Writes a folder that "tilefleet models train" learns from: layout.toml and words.txt say what kind
of captcha this is, tiles/ has labelled digits, and there are captchas with answers.csv. captchas/
has more of them, to measure on, with every fourth of scikit-learn's 1,797 digits: those are on no
other captcha, and not in tiles/.
"""

import csv
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_digits

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ROWS, COLUMNS, TILE, BETWEEN, HEADER = 3, 4, 40, 6, 30
SIZE = (BETWEEN + COLUMNS * (TILE + BETWEEN), HEADER + ROWS * (TILE + BETWEEN))
LEFTS = [BETWEEN + column * (TILE + BETWEEN) for column in range(COLUMNS)]
TOPS = [HEADER + row * (TILE + BETWEEN) for row in range(ROWS)]
CAPTCHAS, KNOWN = 200, 60

LAYOUT = f"""\
size = {list(SIZE)}
header = [0, 0, {SIZE[0]}, {HEADER - 2}]
tile = [{TILE}, {TILE}]
lefts = {LEFTS}
tops = {TOPS}
click = [{TILE // 2}, {TILE // 2}]
words = 1
"""


def draw_tile(digit: np.ndarray, random: np.random.Generator) -> Image.Image:
    """A digit, (8, 8) from 0 to 16: turned a little, in some ink on some paper, with noise."""
    ink = Image.fromarray((digit * 15.9).astype(np.uint8)).resize(
        (TILE, TILE), Image.Resampling.BICUBIC
    )
    moved = tuple(random.integers(-3, 4, 2).tolist())
    ink = ink.rotate(random.uniform(-12, 12), Image.Resampling.BICUBIC, translate=moved)
    share = np.asarray(ink, np.float32)[..., None] / 255
    dark, light = random.uniform(0, 90, 3), random.uniform(180, 256, 3)
    pixels = light * (1 - share) + dark * share + random.normal(0, 8, (TILE, TILE, 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def draw_captcha(
    digits: np.ndarray, labels: np.ndarray, random: np.random.Generator
) -> tuple[Image.Image, str, list[int]]:
    """A captcha, its word and the numbers of the right tiles."""
    asked = int(random.integers(len(WORDS)))
    others = [label for label in range(len(WORDS)) if label != asked]
    right = int(random.integers(1, 4))
    wrong = random.choice(others, ROWS * COLUMNS - right)
    shown = random.permutation([asked] * right + list(wrong))
    page = Image.new("RGB", SIZE, "white")
    for label, place in zip(shown, [(x, y) for y in TOPS for x in LEFTS], strict=True):
        digit = digits[random.choice(np.flatnonzero(labels == label))]
        page.paste(draw_tile(digit, random), place)
    font = ImageFont.load_default(size=int(random.integers(14, 20)))
    left = random.integers(6, 40)
    ImageDraw.Draw(page).text((left, 14), WORDS[asked], "black", font, anchor="lm")
    return page, WORDS[asked], [int(place) + 1 for place in np.flatnonzero(shown == asked)]


def write_captchas(
    folder: Path, count: int, digits: np.ndarray, labels: np.ndarray, random: np.random.Generator
) -> None:
    """So many captchas and their answers.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "answers.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "words", "picks"])
        for number in range(count):
            page, word, picks = draw_captcha(digits, labels, random)
            page.save(folder / f"{number:03}.png")
            table.writerow([f"{number:03}.png", word, " ".join(map(str, picks))])


def main(folder: Path) -> None:
    random = np.random.default_rng(1)
    loaded = load_digits()
    digits, labels = loaded.images, loaded.target
    kept = np.arange(len(digits)) % 4 == 3
    write_captchas(folder, KNOWN, digits[~kept], labels[~kept], random)
    write_captchas(folder / "captchas", CAPTCHAS, digits[kept], labels[kept], random)
    for number in np.flatnonzero(~kept):
        tiles = folder / "tiles" / WORDS[labels[number]]
        tiles.mkdir(parents=True, exist_ok=True)
        draw_tile(digits[number], random).save(tiles / f"{number:04}.png")
    (folder / "layout.toml").write_text(LAYOUT)
    (folder / "words.txt").write_text("\n".join(WORDS) + "\n")
    print(f"{folder}: {(~kept).sum()} labelled digits, {KNOWN} captchas with some of them, and")
    print(f"{folder / 'captchas'}: {CAPTCHAS} captchas with the other {kept.sum()} digits")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
