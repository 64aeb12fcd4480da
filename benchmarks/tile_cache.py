"""The tile cache: how many tiles it answers, how many wrongly, and what it saves.

python -m benchmarks.tile_cache TILES [--captchas 1500] [--pool 800] [--json]
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import process_time

import numpy as np

from benchmarks.support import report
from models import engines
from models.drawing.collection import Collection, plan
from models.engines.litert import LiteRTEngine
from models.recognition.crops import Crops
from tilefleet.kind import BUILTIN
from tilefleet.settings import Settings

#: As a busy worker's.
_PASS = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tiles", type=Path, help="folder of tile pictures LL_KK.*")
    parser.add_argument("--captchas", type=int, default=1500)
    parser.add_argument("--pool", type=int, default=800, help="different pictures")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    drawn = plan(options.tiles, captchas=options.captchas, pool=options.pool, seed=5)
    crops = [
        Crops.from_bytes(drawn.draw(number), BUILTIN.layout, max_bytes=1 << 20)
        for number in range(len(drawn))
    ]
    settings = replace(Settings(), engine="litert")
    plain, cached = engines.load(settings), engines.load(replace(settings, tile_cache=8192))
    answers, took = {}, {}
    for name, engine in (("plain", plain), ("cached", cached)):
        session = engine.session()
        begun = process_time()
        answers[name] = [
            answer
            for start in range(0, len(crops), _PASS)
            for answer in session.read(crops[start : start + _PASS])
        ]
        took[name] = (process_time() - begun) / len(crops) * 1000
    labels = {
        name: np.array([[tile.label for tile in each.tiles] for each in given])
        for name, given in answers.items()
    }
    picks = {name: [each.picks for each in given] for name, given in answers.items()}
    assert isinstance(cached, LiteRTEngine)
    assert cached.tile_cache is not None
    stats = cached.tile_cache.stats()
    truth = [
        tuple(np.flatnonzero(np.isin(tiles, asked)) + 1)
        for tiles, asked in zip(drawn.tile_labels, drawn.asked, strict=True)
    ]
    right = {
        name: np.mean([a == b for a, b in zip(picks[name], truth, strict=True)]) for name in picks
    }
    tiles = 8 * len(crops)
    rows = [
        ["tiles answered without the network", stats["hits"] / tiles],
        [
            "tiles with another label than the network gives",
            (labels["plain"] != labels["cached"]).mean(),
        ],
        ["captchas exactly right, without", right["plain"]],
        ["captchas exactly right, with", right["cached"]],
        ["a captcha, in passes of 8, without, ms of CPU", took["plain"]],
        ["a captcha, in passes of 8, with, ms of CPU", took["cached"]],
    ]
    false = _false_matches(drawn, crops)
    rows += [[f"false matches among the nearest {what}", value] for what, value in false.items()]
    report.show(
        "Tile cache",
        ["what", "value"],
        rows,
        caveats=[
            f"{len(crops)} simulated captchas, {options.pool} pictures, each copy altered anew",
            "false match: nearest earlier tile within the threshold shows another label",
        ],
        as_json=options.json,
    )


def _false_matches(drawn: Collection, crops: Sequence[Crops]) -> dict[str, float]:
    from models.recognition import fingerprint

    vectors = fingerprint.colour(np.concatenate([each.tiles for each in crops]))
    labels = drawn.tile_labels.ravel()
    found = {}
    for threshold in (0.01, 0.03, 0.05, 0.08):
        matches = wrong = 0
        for start in range(256, len(vectors), 256):
            part = slice(start, start + 256)
            near = vectors[:start]
            distances = (
                np.square(vectors[part]).sum(1)[:, None] / 2
                + np.square(near).sum(1)[None] / 2
                - vectors[part] @ near.T
            )
            nearest = distances.argmin(axis=1)
            close = distances.min(axis=1) <= threshold
            matches += int(close.sum())
            wrong += int((labels[nearest[close]] != labels[part][close]).sum())
        found[f"within {threshold} ({matches:,} matches)"] = wrong / max(1, matches)
    return found


if __name__ == "__main__":
    main()
