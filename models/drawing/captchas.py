"""Whole captchas with known answers, drawn from any folder of tile pictures.

``tilefleet samples`` calls `generate`; the pictures in samples/ were made by it.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from models.drawing import fonts, header
from models.drawing import tiles as pictures
from tilefleet.kind import BUILTIN, Kind
from tilefleet.layout import Layout

_QUALITY = 80
_PROMPT_SIZE = 13
_BLACK, _RED = (0, 0, 0), (226, 0, 0)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a captcha asks for and shows."""

    words: tuple[int, ...]
    #: The labels of the tiles.
    shown: tuple[int, ...]

    @property
    def picks(self) -> tuple[int, ...]:
        return tuple(number for number, label in enumerate(self.shown, 1) if label in self.words)


def generate(
    tiles: Path,
    out: Path,
    *,
    count: int,
    seed: int = 0,
    two_words: float = 0.3,
    noisy: float = 0.15,
    kind: Kind = BUILTIN,
) -> None:
    """Draw `count` captchas into `out`, as 000.jpg and so on, with answers.csv.

    `tiles` holds pictures ``LL_KK.*``; `two_words` and `noisy` are the shares of captchas with two
    words and with the noisy kind of header. The same arguments give the same files. Raises
    BadTiles.
    """
    found = pictures.find(tiles, kind)
    faces = fonts.find(needed="" if kind is BUILTIN else "".join(kind.labels))
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        two = rng.random() < two_words and kind.layout.words > 1
        plan = _plan(sorted(found), kind, words=1 + two, rng=rng)
        image = _compose(plan, kind, found, faces, rng, noisy=bool(rng.random() < noisy))
        name = f"{number:03d}.jpg"
        image.save(out / name, quality=_QUALITY)
        words = " ".join(kind.labels[word] for word in plan.words)
        rows.append((name, words, " ".join(map(str, plan.picks))))
    with (out / "answers.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("file", "words", "picks"), *rows])


def _plan(labels: Sequence[int], kind: Kind, *, words: int, rng: np.random.Generator) -> Plan:
    """Choose words, as often on the tiles as the site does, and other labels beside them."""
    asked = tuple(int(word) for word in rng.choice(labels, words, replace=False))
    often = np.array(kind.tiles_per_word[:3])
    shown = [word for word in asked for _ in range(1 + rng.choice(3, p=often / often.sum()))]
    others = [label for label in labels if label not in asked]
    shown += [int(label) for label in rng.choice(others, kind.layout.count - len(shown))]
    return Plan(asked, tuple(int(label) for label in rng.permutation(shown)))


def _compose(
    plan: Plan,
    kind: Kind,
    found: Mapping[int, Sequence[Path]],
    faces: Sequence[Path],
    rng: np.random.Generator,
    *,
    noisy: bool,
) -> Image.Image:
    page = blank_page(kind.layout).copy()
    strip = header.draw(
        [kind.labels[word] for word in plan.words], rng, faces=faces, noisy=noisy, kind=kind
    )
    page.paste(Image.fromarray(strip), kind.layout.header[:2])
    for label, place in zip(plan.shown, kind.layout.corners, strict=True):
        choices = found[label]
        page.paste(pictures.draw(choices[int(rng.integers(len(choices)))], rng, kind), place)
    return page


@cache
def blank_page(layout: Layout = BUILTIN.layout) -> Image.Image:
    """A captcha with the prompt and no words or tiles; to be copied."""
    page = Image.new("RGB", layout.size, "white")
    _write_prompt(page, layout)
    return page


def _write_prompt(page: Image.Image, layout: Layout) -> None:
    """Left of the header's words, where there is room for it."""
    pen = ImageDraw.Draw(page)
    bottom = layout.header[1] + layout.header[3] + 1
    pen.line([(0, bottom), (page.width, bottom)], (208, 208, 208))
    font = ImageFont.truetype(fonts.BOLD, _PROMPT_SIZE)
    x = 0.0
    # The last character's margin may be covered.
    if sum(map(font.getlength, fonts.PROMPT)) > layout.header[0] + _PROMPT_SIZE:
        return
    for text, colour in zip(fonts.PROMPT, (_BLACK, _RED), strict=True):
        pen.text((x, bottom / 2 + 1), text, colour, font=font, anchor="lm")
        x += font.getlength(text)
