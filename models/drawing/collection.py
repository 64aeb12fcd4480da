"""Unlabelled collections with a known truth: any number of captchas from a pool of pictures.

The pool is finite, as the site's was: every picture comes back a given number of times, altered
anew each time, and a share of the headers names another word than the tiles were chosen for.
``tilefleet samples --repeats`` writes one; benchmarks draw them as they go.
"""

import csv
import io
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.drawing import alter, fonts, header
from models.drawing import tiles as pictures
from models.drawing.captchas import blank_page
from models.recognition.decision import TILES_PER_WORD
from tilefleet.errors import BadTiles
from tilefleet.geometry import HEADER_X, HEADER_Y, TILE, TILE_XS, TILE_YS
from tilefleet.labels import LABELS, NONE

_QUALITY = (72, 88)
_NOISY = 0.15
#: Which independent stream of random numbers a thing is drawn from.
_PLAN, _VIEW, _CAPTCHA = range(3)

TRUTH = "truth.csv"


@dataclass(frozen=True, slots=True)
class Collection:
    """What every captcha shows and asks for; each is drawn when it is wanted."""

    #: The files' pictures, 79×79, RGB.
    sources: tuple[Image.Image, ...]
    #: int16 (pictures,): the label of each picture of the pool; more pictures than sources are
    #: other views of them.
    labels: NDArray[np.int16]
    #: int32 (captchas, 8): which pictures.
    shown: NDArray[np.int32]
    #: int16 (captchas, 2): what the tiles were chosen for, NONE for no second word …
    asked: NDArray[np.int16]
    #: … and what the header says.
    headers: NDArray[np.int16]
    seed: int
    faces: tuple[Path, ...] = field(default_factory=lambda: tuple(fonts.find()))

    def __len__(self) -> int:
        return len(self.shown)

    @property
    def tile_labels(self) -> NDArray[np.int16]:
        """int16 (captchas, 8): the truth."""
        return self.labels[self.shown]

    def picture(self, number: int) -> Image.Image:
        """A picture of the pool, 79×79."""
        source = self.sources[number % len(self.sources)]
        if number < len(self.sources):
            return source
        return alter.another(source, np.random.default_rng([self.seed, _VIEW, number]))

    def draw(self, number: int) -> bytes:
        """One captcha, as a JPEG; the same whenever it is drawn."""
        rng = np.random.default_rng([self.seed, _CAPTCHA, number])
        page = blank_page().copy()
        words = [LABELS[word] for word in self.headers[number] if word != NONE]
        noisy = bool(rng.random() < _NOISY)
        strip = header.draw(words, rng, faces=self.faces, noisy=noisy)
        page.paste(Image.fromarray(strip), (HEADER_X, HEADER_Y))
        places = [(x, y) for y in TILE_YS for x in TILE_XS]
        for shown, place in zip(self.shown[number], places, strict=True):
            page.paste(Image.fromarray(alter.again(self.picture(int(shown)), rng)), place)
        file = io.BytesIO()
        page.save(file, "JPEG", quality=int(rng.integers(*_QUALITY)))
        return file.getvalue()

    @staticmethod
    def name(number: int) -> str:
        return f"{number:06d}.jpg"

    def write(self, folder: Path, numbers: Iterable[int] | None = None) -> None:
        """All captchas (or those of `numbers`), and truth.csv: the words asked for, those of the
        header, the pictures' numbers and labels. Nothing that learns reads truth.csv."""
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(len(self)) if numbers is None else numbers:
            (folder / self.name(number)).write_bytes(self.draw(number))
        with (folder / TRUTH).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("file", "words", "header", "pictures", "labels"))
            for number in range(len(self)):
                writer.writerow(
                    (
                        self.name(number),
                        _texts(self.asked[number]),
                        _texts(self.headers[number]),
                        " ".join(map(str, self.shown[number])),
                        " ".join(LABELS[label] for label in self.tile_labels[number]),
                    )
                )


def plan(
    tiles: Path,
    *,
    captchas: int,
    repeats: int = 8,
    pool: int | None = None,
    header_errors: float = 0.0,
    two_words: float = 0.3,
    seed: int = 0,
) -> Collection:
    """Choose what `captchas` captchas show.

    `tiles`: a folder of pictures ``LL_KK.*``. `repeats`: how often each picture comes back, so that
    there are 8 · captchas / repeats pictures; `pool`: that number itself, instead. Where the folder
    has fewer, the others are strongly changed views of them (`alter.another`). `header_errors`:
    share of words in headers that name another thing. The same arguments give the same captchas.
    Raises BadTiles.
    """
    found = pictures.find(tiles)
    # Round robin over the labels, so that a small pool has pictures of many.
    deep = max(map(len, found.values()))
    listed = [
        (label, files[row])
        for row in range(deep)
        for label, files in sorted(found.items())
        if row < len(files)
    ]
    pool = pool or math.ceil(8 * captchas / repeats)
    listed = listed[:pool]
    labels = np.array([listed[number % len(listed)][0] for number in range(pool)], np.int16)
    rng = np.random.default_rng([seed, _PLAN])
    decks = _Decks(labels, math.ceil(8 * captchas / pool), rng)
    if len(decks.labels) < 3:
        raise BadTiles(
            f"a pool of {pool} pictures has {len(decks.labels)} labels; at least 3 are needed"
        )
    shown = np.empty((captchas, 8), np.int32)
    asked = np.full((captchas, 2), NONE, np.int16)
    often = np.array(TILES_PER_WORD[:4]) / sum(TILES_PER_WORD[:4])
    for row in range(captchas):
        words = decks.choose(1 + int(rng.random() < two_words), without=())
        asked[row, : len(words)] = words
        wanted = [word for word in words for _ in range(1 + rng.choice(4, p=often))][:8]
        while len(wanted) < 8:
            wanted += decks.choose(1, without=words)
        shown[row] = [decks.take(int(label)) for label in rng.permutation(wanted)]
    headers = asked.copy()
    known = headers != NONE
    wrong = known & (rng.random(headers.shape) < header_errors)
    # Any word but the right one.
    moved = (headers + rng.integers(1, len(LABELS), headers.shape)) % len(LABELS)
    headers[wrong] = moved[wrong]
    sources = tuple(_load(path, rng) for _, path in listed)
    return Collection(sources, labels, shown, asked, headers, seed)


def load_pictures(
    tiles: Path, rng: np.random.Generator
) -> tuple[list[Image.Image], NDArray[np.int16]]:
    """All pictures of a folder, 79×79, and their labels; raises BadTiles."""
    listed = [(label, path) for label, files in pictures.find(tiles).items() for path in files]
    return [_load(path, rng) for _, path in listed], np.array(
        [each[0] for each in listed], np.int16
    )


class _Decks:
    """A pile of cards for each label, every picture of it the same number of times."""

    def __init__(self, labels: NDArray[np.int16], repeats: int, rng: np.random.Generator) -> None:
        self._rng = rng
        self._pictures = {int(label): np.flatnonzero(labels == label) for label in set(labels)}
        self.labels = np.array(sorted(self._pictures))
        self._piles = {
            label: rng.permutation(np.repeat(each, repeats)).tolist()
            for label, each in self._pictures.items()
        }
        self._left = np.array([len(self._piles[label]) for label in self.labels], float)
        self._place = {int(label): place for place, label in enumerate(self.labels)}

    def choose(self, count: int, *, without: list[int] | tuple[int, ...]) -> list[int]:
        """Different labels, likelier the more cards of them are left."""
        weights = self._left + 1e-3
        weights[[self._place[label] for label in without]] = 0
        chosen = []
        for _ in range(count):
            sums = weights.cumsum()
            place = int(np.searchsorted(sums, self._rng.random() * sums[-1], side="right"))
            chosen.append(int(self.labels[place]))
            weights[place] = 0
        return chosen

    def take(self, label: int) -> int:
        pile = self._piles[label]
        if not pile:
            return int(self._rng.choice(self._pictures[label]))
        self._left[self._place[label]] -= 1
        return int(pile.pop())


def _load(path: Path, rng: np.random.Generator) -> Image.Image:
    """79×79 pixels, RGB: the tile with what is around it, mirrored where there is nothing."""
    try:
        with Image.open(path) as file:
            flat = not file.has_transparency_data
            picture = file.convert("RGB") if flat else None
    except OSError as error:
        raise BadTiles(f"{path}: {error}") from None
    # A little larger than a tile, as the pictures of others are that were cut with a margin.
    if picture is None or not all(TILE <= length <= SIDE_OF_CUTS for length in picture.size):
        picture = pictures.draw(path, rng)
    pixels = np.asarray(picture)
    top, left = ((alter.SIDE - length) // 2 for length in pixels.shape[:2])
    width = [
        (top, alter.SIDE - pixels.shape[0] - top),
        (left, alter.SIDE - pixels.shape[1] - left),
        (0, 0),
    ]
    return Image.fromarray(np.pad(pixels, width, mode="reflect"))


#: Pictures up to this size are tiles with a margin; larger ones are made smaller.
SIDE_OF_CUTS = 75


def _texts(words: NDArray[np.int16]) -> str:
    return " ".join(LABELS[word] for word in words if word != NONE)
