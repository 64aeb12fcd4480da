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
from tilefleet.errors import BadTiles
from tilefleet.kind import BUILTIN, Kind

_QUALITY = (72, 88)
_NOISY = 0.15
#: Pictures up to so many pixels larger are tiles with a margin; larger ones are made smaller.
_MOST_CUT = 8
#: Which independent stream of random numbers a thing is drawn from.
_PLAN, _VIEW, _CAPTCHA = range(3)

TRUTH = "truth.csv"


@dataclass(frozen=True, slots=True)
class Collection:
    """What every captcha shows and asks for; each is drawn when it is wanted."""

    #: The files' pictures, a tile with `alter.MARGIN` around it, RGB.
    sources: tuple[Image.Image, ...]
    #: int16 (pictures,): the label of each picture of the pool; more pictures than sources are
    #: other views of them.
    labels: NDArray[np.int16]
    #: int32 (captchas, tiles): which pictures.
    shown: NDArray[np.int32]
    #: int16 (captchas, words): what the tiles were chosen for, the kind's `none` for no word …
    asked: NDArray[np.int16]
    #: … and what the header says.
    headers: NDArray[np.int16]
    seed: int
    kind: Kind = BUILTIN
    faces: tuple[Path, ...] = field(default_factory=lambda: tuple(fonts.find()))

    def __len__(self) -> int:
        return len(self.shown)

    @property
    def tile_labels(self) -> NDArray[np.int16]:
        """int16 (captchas, tiles): the truth."""
        return self.labels[self.shown]

    def picture(self, number: int) -> Image.Image:
        """A picture of the pool."""
        source = self.sources[number % len(self.sources)]
        if number < len(self.sources):
            return source
        return alter.another(source, np.random.default_rng([self.seed, _VIEW, number]))

    def draw(self, number: int) -> bytes:
        """One captcha, as a JPEG; the same whenever it is drawn."""
        rng = np.random.default_rng([self.seed, _CAPTCHA, number])
        layout = self.kind.layout
        page = blank_page(layout).copy()
        words = self._texts(self.headers[number])
        noisy = bool(rng.random() < _NOISY)
        strip = header.draw(words, rng, faces=self.faces, noisy=noisy, kind=self.kind)
        page.paste(Image.fromarray(strip), layout.header[:2])
        for shown, place in zip(self.shown[number], layout.corners, strict=True):
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
                        " ".join(self._texts(self.asked[number])),
                        " ".join(self._texts(self.headers[number])),
                        " ".join(map(str, self.shown[number])),
                        " ".join(self.kind.labels[label] for label in self.tile_labels[number]),
                    )
                )

    def _texts(self, words: NDArray[np.int16]) -> list[str]:
        return [self.kind.labels[word] for word in words if word != self.kind.none]


def plan(
    tiles: Path,
    *,
    captchas: int,
    repeats: int = 8,
    pool: int | None = None,
    header_errors: float = 0.0,
    two_words: float = 0.3,
    seed: int = 0,
    kind: Kind = BUILTIN,
) -> Collection:
    """Choose what `captchas` captchas show.

    `tiles`: a folder of pictures ``LL_KK.*``. `repeats`: how often each picture comes back, so that
    there are tiles · captchas / repeats pictures; `pool`: that number itself, instead. Where the
    folder has fewer, the others are strongly changed views of them (`alter.another`).
    `header_errors`: share of words in headers that name another thing. The same arguments give the
    same captchas. Raises BadTiles.
    """
    found = pictures.find(tiles, kind)
    count = kind.layout.count
    # Round robin over the labels, so that a small pool has pictures of many.
    deep = max(map(len, found.values()))
    listed = [
        (label, files[row])
        for row in range(deep)
        for label, files in sorted(found.items())
        if row < len(files)
    ]
    pool = pool or math.ceil(count * captchas / repeats)
    listed = listed[:pool]
    labels = np.array([listed[number % len(listed)][0] for number in range(pool)], np.int16)
    rng = np.random.default_rng([seed, _PLAN])
    decks = _Decks(labels, math.ceil(count * captchas / pool), rng)
    if len(decks.labels) < 3:
        raise BadTiles(
            f"a pool of {pool} pictures has {len(decks.labels)} labels; at least 3 are needed"
        )
    shown = np.empty((captchas, count), np.int32)
    asked = np.full((captchas, kind.layout.words), kind.none, np.int16)
    shares = np.array(kind.tiles_per_word[:4])
    often = shares / shares.sum()
    for row in range(captchas):
        two = rng.random() < two_words and kind.layout.words > 1
        words = decks.choose(1 + int(two), without=())
        asked[row, : len(words)] = words
        wanted = [word for word in words for _ in range(1 + rng.choice(len(often), p=often))]
        wanted = wanted[:count]
        while len(wanted) < count:
            wanted += decks.choose(1, without=words)
        shown[row] = [decks.take(int(label)) for label in rng.permutation(wanted)]
    headers = asked.copy()
    known = headers != kind.none
    wrong = known & (rng.random(headers.shape) < header_errors)
    # Any word but the right one.
    moved = (headers + rng.integers(1, len(kind.labels), headers.shape)) % len(kind.labels)
    headers[wrong] = moved[wrong]
    sources = tuple(_load(path, rng, kind) for _, path in listed)
    return Collection(sources, labels, shown, asked, headers, seed, kind)


def load_pictures(
    tiles: Path, rng: np.random.Generator, kind: Kind = BUILTIN
) -> tuple[list[Image.Image], NDArray[np.int16]]:
    """All pictures of a folder, as `Collection.sources`, and their labels; raises BadTiles."""
    found = pictures.find(tiles, kind)
    listed = [(label, path) for label, files in found.items() for path in files]
    return [_load(path, rng, kind) for _, path in listed], np.array(
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


def _load(path: Path, rng: np.random.Generator, kind: Kind) -> Image.Image:
    """RGB: the tile with what is around it, mirrored where there is nothing."""
    try:
        with Image.open(path) as file:
            flat = not file.has_transparency_data
            picture = file.convert("RGB") if flat else None
    except OSError as error:
        raise BadTiles(f"{path}: {error}") from None
    # A little larger than a tile, as the pictures of others are that were cut with a margin.
    if picture is None or not all(
        tile <= length <= tile + _MOST_CUT
        for tile, length in zip(kind.layout.tile, picture.size, strict=True)
    ):
        picture = pictures.draw(path, rng, kind)
    pixels = np.asarray(picture)
    missing = [
        tile + 2 * alter.MARGIN - length
        for tile, length in zip(kind.layout.tile_shape, pixels.shape[:2], strict=True)
    ]
    width = [*((each // 2, each - each // 2) for each in missing), (0, 0)]
    return Image.fromarray(np.pad(pixels, width, mode="reflect"))
