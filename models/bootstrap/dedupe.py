"""Which tiles are the same picture again, and how well each signature tells.

``tilefleet models dedupe FOLDER --out OUT`` numbers the pictures on a folder's captchas;
``tilefleet models dedupe TILES --compare --out OUT`` makes altered copies of known pictures and
measures precision and recall of "the same picture" over all pairs.
"""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from time import process_time

import numpy as np
from numpy.typing import NDArray

from models import store
from models.bootstrap import groups, scan, signatures
from models.bootstrap.progress import Begin
from models.drawing import alter
from models.drawing.collection import load_pictures
from models.recognition.fingerprint import Vectors
from tilefleet.files import atomic_write
from tilefleet.settings import Settings

#: Altered copies of each picture, and pictures at most: all pairs are compared.
_COPIES = 4
_MOST = 800
#: What a threshold must give: of what it calls the same, this share is. The first one is that of
#: `signatures.THRESHOLDS`; the others show how fast a signature gets worse.
PRECISIONS = (0.999, 0.99, 0.9)


@dataclass(frozen=True, slots=True)
class Curve:
    """How a signature tells apart, over all thresholds."""

    #: float64, by growing threshold.
    thresholds: NDArray[np.float64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    ms_per_tile: float

    def best(self, precision: float) -> int:
        """Where the largest threshold with that precision is; -1 if there is none."""
        good = np.flatnonzero(self.precision >= precision)
        return int(good[-1]) if len(good) else -1

    def recall_at(self, precision: float) -> float:
        """The most pairs that are found with that precision, as a share; 0 if none is."""
        at = self.best(precision)
        return float(self.recall[at]) if at >= 0 else 0.0


def find(
    folder: Path, out: Path, *, settings: Settings, name: str, begin: Begin, seed: int = 0
) -> list[str]:
    """Number the pictures of all tiles; write OUT/pictures.csv. Returns lines for people."""
    signature = signatures.find(name)
    entry = store.find(settings.model, root=settings.store)
    tiles = entry.manifest.kind.layout.count
    found = scan.scan(
        folder,
        out / "steps" / signature.name,
        words=entry,
        signature=signature,
        tick=begin("reading captchas"),
    )
    members = groups.group(
        found.signatures, signature.threshold, seed=seed, tick=begin("finding pictures")
    )
    with atomic_write(out / "pictures.csv", text=True) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("file", "tile", "picture"))
        for number, picture in enumerate(members.tolist()):
            writer.writerow((found.files[number // tiles], number % tiles + 1, picture))
    return [
        f"{len(found)} captchas, {len(found.unreadable)} unreadable files",
        f"{members.max() + 1} pictures on {len(members)} tiles, by {signature.name}",
        *_how_often(np.bincount(members)),
        *(f"skipped {file}: {why}" for file, why in found.unreadable),
        f"{out / 'pictures.csv'}: every tile with its picture's number",
    ]


def _how_often(sizes: NDArray[np.int64]) -> Iterator[str]:
    """How many pictures were seen once, twice, 3 to 4 times …"""
    bounds = (1, 2, 3, 5, 9, 17, 33, 65)
    for low, high in pairwise(bounds):
        if count := int(((sizes >= low) & (sizes < high)).sum()):
            times = {1: "once", 2: "twice"}.get(low, f"{low} to {high - 1} times")
            yield f"seen {times}: {count}"
    if count := int((sizes >= bounds[-1]).sum()):
        yield f"seen {bounds[-1]} times and more: {count}"


def compare(tiles: Path, out: Path, *, seed: int, begin: Begin) -> list[str]:
    """Measure every signature on altered copies of the pictures in `tiles`, named LL_KK.*.

    Writes OUT/curves.png; returns a table. Raises BadTiles.
    """
    rng = np.random.default_rng(seed)
    sources, labels = load_pictures(tiles, rng)
    chosen = rng.permutation(len(sources))[:_MOST]
    copies = np.stack([alter.again(sources[each], rng) for each in chosen for _ in range(_COPIES)])
    pictures, shown = np.repeat(chosen, _COPIES), np.repeat(labels[chosen], _COPIES)
    curves = {}
    tick = begin("comparing signatures")
    for number, name in enumerate(signatures.NAMES, 1):
        signature = signatures.find(name)
        signature(copies[:8])
        begun = process_time()
        vectors = signature(copies)
        took = (process_time() - begun) / len(copies) * 1000
        curves[name] = _curve(vectors, pictures, shown, took)
        tick(number, len(signatures.NAMES))
    out.mkdir(parents=True, exist_ok=True)
    draw(curves, out / "curves.png")
    lines = [
        f"{len(copies)} altered copies of {len(chosen)} pictures; all pairs but those of two "
        "files with the same label, which may be one picture filed twice",
        "| signature | "
        + " | ".join(f"recall at a precision of {precision}" for precision in PRECISIONS)
        + f" | threshold for {PRECISIONS[0]} | ms of CPU a tile |",
        "| --- |" + " --- |" * (len(PRECISIONS) + 2),
    ]
    for name, curve in curves.items():
        recalls = " | ".join(f"{curve.recall_at(precision):.3f}" for precision in PRECISIONS)
        at = curve.best(PRECISIONS[0])
        threshold = f"{curve.thresholds[at]:.3f}" if at >= 0 else "none"
        lines.append(f"| {name} | {recalls} | {threshold} | {curve.ms_per_tile:.3f} |")
    return [*lines, f"curves in {out / 'curves.png'}"]


def _curve(
    vectors: Vectors,
    pictures: NDArray[np.int64],
    labels: NDArray[np.int16],
    took: float,
) -> Curve:
    same = pictures[:, None] == pictures[None, :]
    counted = np.triu(same | (labels[:, None] != labels[None, :]), 1)
    distances, same = _distances(vectors)[counted], same[counted]
    order = np.argsort(distances, kind="stable")
    distances, same = distances[order], same[order]
    right = np.cumsum(same)
    # Of equal distances only the last is a threshold.
    ends = np.flatnonzero(np.append(distances[1:] > distances[:-1], True))
    return Curve(
        distances[ends].astype(np.float64), right[ends] / (ends + 1), right[ends] / right[-1], took
    )


def _distances(vectors: Vectors) -> NDArray[np.float32]:
    """Half the squared distances of all pairs, float32 (n, n)."""
    squares = np.square(vectors).sum(axis=1)
    halves = (squares[:, None] + squares[None, :]) / 2
    return np.asarray(np.maximum(halves - vectors @ vectors.T, 0), np.float32)


def draw(curves: Mapping[str, Curve], path: Path) -> None:
    """Precision over recall; a dot where a signature's threshold is, if it has one."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 4.5), layout="constrained")
    axes = figure.subplots()
    for name, curve in curves.items():
        (line,) = axes.plot(curve.recall, curve.precision, label=name)
        at = curve.best(PRECISIONS[0])
        if at >= 0:
            axes.plot(curve.recall[at], curve.precision[at], "o", color=line.get_color())
    axes.set_xlabel("recall: pairs of the same picture that are found")
    axes.set_ylabel("precision: found pairs that are the same")
    axes.set_title(f"the same picture again; dots: the threshold for {PRECISIONS[0]}")
    axes.set_ylim(0.5, 1.01)
    axes.set_xlim(0, 1)
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper")
    figure.savefig(path, dpi=110)
