"""How right a bootstrapped dataset is about a simulated collection: against its truth.csv."""

import csv
from collections.abc import Sequence
from pathlib import Path


def tiles_right(collection: Path, dataset: Path) -> tuple[float, float, float]:
    """Shares: of all tiles, those labelled right; of all, those in sure groups; of these, right."""
    with (collection / "truth.csv").open(encoding="utf-8", newline="") as file:
        truth = {row["file"]: row["labels"].split() for row in csv.DictReader(file)}
    with (dataset / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = [
            (row["label"] == truth[row["file"]][int(row["tile"]) - 1], float(row["probability"]))
            for row in csv.DictReader(file)
        ]
    sure = [right for right, probability in rows if probability >= 0.8]
    return _share([right for right, _ in rows]), len(sure) / len(rows), _share(sure)


def _share(right: Sequence[bool]) -> float:
    return sum(right) / max(1, len(right))
