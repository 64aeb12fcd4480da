"""A folder that shows a score: figures, curves, what is taken for what, and every failure."""

import io
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from models.drawing.fonts import BOLD
from models.evaluation.score import BINS, Outcome, Score, bins
from tilefleet.kind import BUILTIN, Kind

_RIGHT, _WRONG, _TEXT = (0, 140, 60), (215, 30, 30), (30, 30, 30)
_ZOOM, _COLUMNS, _CAPTION = 2, 3, 64
#: Failures on the contact sheet: the surest ones.
_MOST_FAILURES = 60
_LEGEND = 34


def write(
    folder: Path,
    model: str,
    outcomes: Sequence[Outcome],
    score: Score,
    kind: Kind = BUILTIN,
) -> None:
    """Write score.json, reliability.png, selective.png, confusion.png and failures.png.

    A picture is left out where there is nothing to show on it. Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    figures = {"model": model, **score.encode()}
    (folder / "score.json").write_text(
        json.dumps(figures, ensure_ascii=False, indent=2) + "\n", encoding="utf-8"
    )
    known = [outcome for outcome in outcomes if outcome.truth.known]
    if known:
        _reliability(known, score).savefig(folder / "reliability.png", dpi=110)
        _selective(known, score).savefig(folder / "selective.png", dpi=110)
    pairs = Counter(pair for outcome in known for pair in outcome.seen())
    if pairs:
        _confusion(pairs, kind).savefig(folder / "confusion.png", dpi=110)
    failures = [outcome for outcome in known if not outcome.exact]
    if failures:
        contact_sheet(failures, kind).save(folder / "failures.png")


def contact_sheet(outcomes: Sequence[Outcome], kind: Kind = BUILTIN) -> Image.Image:
    """The surest failures first, each at twice its size, with what was seen and what was right.

    A wide green frame: right. A narrow frame: picked, green rightly and red wrongly. On each tile
    stands what it was taken for, and under the captcha what was right and what was answered.
    """
    width, height = kind.layout.size[0] * _ZOOM, kind.layout.size[1] * _ZOOM + _CAPTION
    chosen = sorted(outcomes, key=lambda each: -each.confidence)[:_MOST_FAILURES]
    columns = min(_COLUMNS, len(chosen))
    rows = -(-len(chosen) // columns)
    sheet = Image.new("RGB", (columns * (width + 8), _LEGEND + rows * (height + 8)), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.truetype(BOLD, 15)
    x = 4.0
    for text, colour in (
        (f"{len(chosen)} of {len(outcomes)} failures", _TEXT),
        ("wide: right", _RIGHT),
        ("narrow: picked wrongly", _WRONG),
    ):
        pen.text((x, 6), text, colour, font=font)
        x += pen.textlength(text, font=font) + 20
    for index, outcome in enumerate(chosen):
        place = (index % columns * (width + 8), _LEGEND + index // columns * (height + 8))
        sheet.paste(_failure(outcome, (width, height)), place)
    return sheet


def _failure(outcome: Outcome, size: tuple[int, int]) -> Image.Image:
    page = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(page)
    large, small = (ImageFont.truetype(BOLD, points) for points in (17, 13))
    width, height = size[0], size[1] - _CAPTION
    caption = (4, height + 2)
    truth, answer = outcome.truth, outcome.answer
    right = f"right: {' '.join(truth.words)} {_numbers(truth.picks)}"
    pen.text(caption, right, _RIGHT, font=large)
    pen.text((caption[0], caption[1] + 40), truth.path.name, _TEXT, font=small)
    if answer is None:
        pen.text((caption[0], caption[1] + 20), "could not be read", _WRONG, font=large)
        return page
    with Image.open(io.BytesIO(truth.path.read_bytes())) as file:
        across, down = width / file.width, height / file.height
        picture = file.convert("RGB").resize((width, height))
    page.paste(picture, (0, 0))
    grid = answer.grid or BUILTIN.grid
    places = [(x * across, y * down) for y in grid.tops for x in grid.lefts]
    wide, high = grid.tile[0] * across, grid.tile[1] * down
    for number, ((x, y), tile) in enumerate(zip(places, answer.tiles, strict=True), 1):
        if number in truth.picks:
            pen.rectangle((x, y, x + wide, y + high), outline=_RIGHT, width=5)
        if number in answer.picks:
            colour = _RIGHT if number in truth.picks else _WRONG
            pen.rectangle((x + 8, y + 8, x + wide - 8, y + high - 8), outline=colour, width=3)
        label = f"{tile.label} {tile.confidence:.2f}"
        box = pen.textbbox((x + 6, y + high - 20), label, font=small)
        pen.rectangle((box[0] - 2, box[1] - 2, box[2] + 2, box[3] + 2), fill="white")
        pen.text((x + 6, y + high - 20), label, _TEXT, font=small)
    read = f"{' '.join(word.label for word in answer.words)} {_numbers(answer.picks)}"
    answered = f"answered: {read}, confidence {answer.confidence:.2f}"
    pen.text((caption[0], caption[1] + 20), answered, _WRONG, font=large)
    return page


def _numbers(picks: Sequence[int]) -> str:
    return ",".join(map(str, picks))


def _reliability(known: Sequence[Outcome], score: Score) -> Any:
    """How often answers of a confidence are right, against the confidence."""
    figure, axes = _figure(5, 4.2)
    confidence = np.array([outcome.confidence for outcome in known])
    exact = np.array([outcome.exact for outcome in known])
    bin_of = bins(confidence)
    for number in np.unique(bin_of):
        chosen = bin_of == number
        middle, share = (number + 0.5) / BINS, exact[chosen].mean()
        axes.bar(middle, share, 0.9 / BINS, color="#4477aa")
        # How many there are, in the bar, or above one that is too low.
        inside = share > 0.1
        axes.text(
            middle,
            0.02 if inside else share + 0.02,
            f"{chosen.sum()}",
            ha="center",
            color="white" if inside else "black",
        )
    axes.plot([0, 1], [0, 1], color="#999999", linestyle="--")
    axes.set(xlabel="confidence", ylabel="share exactly right", xlim=(0, 1), ylim=(0, 1.02))
    axes.set_title(f"{len(known)} captchas, calibration error {score.calibration_error:.3f}")
    return figure


def _selective(known: Sequence[Outcome], score: Score) -> Any:
    """How many are right among the most confident, for every share of them."""
    figure, axes = _figure(5, 4.2)
    ordered = sorted(known, key=lambda outcome: -outcome.confidence)
    exact = np.array([outcome.exact for outcome in ordered], float)
    counts = np.arange(1, len(exact) + 1)
    precision = exact.cumsum() / counts
    axes.step(counts / len(exact), precision, where="post", color="#4477aa")
    for level in score.selective:
        if level.precision is not None:
            axes.plot(level.coverage, level.precision, "o", color="#cc5533", markersize=4)
            axes.annotate(
                f"{level.threshold:g}",
                (level.coverage, level.precision),
                (0, -13),
                textcoords="offset points",
                ha="center",
                fontsize=8,
            )
    axes.set(xlabel="coverage (most confident first)", ylabel="exactly right", xlim=(0, 1))
    axes.set_ylim(min(0.5, float(precision.min()) - 0.05), 1.01)
    axes.set_title("selective accuracy; dots: confidence at least")
    axes.grid(alpha=0.3)
    return figure


def _confusion(pairs: Counter[tuple[str, str]], kind: Kind) -> Any:
    """Tiles that show the word asked for: what they show, and what they are taken for."""
    from matplotlib.font_manager import FontProperties

    labels = sorted({label for pair in pairs for label in pair}, key=kind.index.__getitem__)
    place = {label: number for number, label in enumerate(labels)}
    matrix = np.zeros((len(labels), len(labels)))
    for (shown, seen), times in pairs.items():
        matrix[place[shown], place[seen]] += times
    side = max(4.0, 0.19 * len(labels) + 1.2)
    figure, axes = _figure(side, side)
    # Blue what is right, red what is not, the deeper the more often; and the number itself.
    signed = np.where(np.eye(len(labels), dtype=bool), -matrix, matrix)
    most = matrix.max()
    axes.imshow(
        np.where(matrix == 0, np.nan, signed), cmap="RdBu_r", vmin=-1.6 * most, vmax=1.6 * most
    )
    for row, column in np.argwhere(matrix > 0):
        number = f"{matrix[row, column]:.0f}"
        axes.text(column, row, number, ha="center", va="center", fontsize=7)
    font = FontProperties(fname=BOLD, size=8)
    axes.set_xticks(range(len(labels)), labels, rotation=90, fontproperties=font)
    axes.set_yticks(range(len(labels)), labels, fontproperties=font)
    axes.set(xlabel="taken for", ylabel="shown")
    axes.set_title("tiles that were asked for, captchas with one word", fontsize=10)
    axes.grid(alpha=0.2)
    return figure


def _figure(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()
