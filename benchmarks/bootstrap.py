"""Bootstrapping against the truth of simulated collections: accuracy, header errors, cost.

python -m benchmarks.bootstrap growth TILES [--out DIR]      labels right as a collection grows
python -m benchmarks.bootstrap headers TILES [--out DIR]     with 0 to 10 % wrong headers
python -m benchmarks.bootstrap figure TILES [--rounds 3]     5,000 captchas, 8 repeats, 2 % wrong
python -m benchmarks.bootstrap cost TILES --captchas 1000 10000 100000
python -m benchmarks.bootstrap train TILES [--epochs 12]     trained from these labels and from true

TILES is a folder of pictures LL_KK.*; its labels are used to draw the captchas and to judge, and
nowhere else: no tiles network is asked but those that begin with random weights here.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from time import monotonic, process_time
from typing import Any

import numpy as np

from benchmarks.support import report
from benchmarks.support.truth import tiles_right
from models.bootstrap import dataset, run
from models.bootstrap.estimation import cooccurrence
from models.bootstrap.estimation.beliefs import Sightings
from models.datasets.counted import counted, write_counted
from models.drawing.collection import Collection, plan
from tilefleet.kind import BUILTIN


def write(drawn: Collection, folder: Path) -> None:
    """Draw on all cores what is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [each for each in range(len(drawn)) if not (folder / drawn.name(each)).exists()]
    parts = [missing[start : start + 200] for start in range(0, len(missing), 200)]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        list(pool.map(partial(_write_part, drawn, folder), parts))
    drawn.write(folder, [])


def _write_part(drawn: Collection, folder: Path, numbers: Sequence[int]) -> None:
    for number in numbers:
        (folder / drawn.name(number)).write_bytes(drawn.draw(number))


def bootstrap(folder: Path, out: Path, *, rounds: int, steps: int = 1000) -> run.Outcome:
    return run.bootstrap(
        folder,
        out,
        rounds=rounds,
        steps=steps,
        begin=lambda step: lambda done, of: None,
        say=lambda line: print(line, file=sys.stderr),
    )


def growth(options: argparse.Namespace) -> None:
    """By the model alone: pictures are known exactly, headers read with the simulated errors."""
    sizes = (100, 200, 400, 800, 1600, 3200, 6400)
    pools = {"800 pictures": 800, "2,000 pictures": 2000, "8 repeats of each": None}
    shares = {
        name: [_right(options.tiles, size, pool, 0.02) for size in sizes]
        for name, pool in pools.items()
    }
    _plot(options.out / "growth.png", sizes, shares, "captchas", "share of tiles labelled right")
    report.show(
        "Labels right as a collection grows, 2 % wrong headers, no network",
        ["captchas", *shares],
        [[f"{size:,}", *(shares[name][row] for name in shares)] for row, size in enumerate(sizes)],
        caveats=["which tiles are the same picture is given", f"drawn: {options.out}/growth.png"],
        as_json=options.json,
    )


def headers(options: argparse.Namespace) -> None:
    rates = (0.0, 0.01, 0.02, 0.05, 0.1)
    shares = {
        f"{size:,} captchas, 800 pictures": [
            _right(options.tiles, size, 800, rate) for rate in rates
        ]
        for size in (800, 1600, 5000)
    }
    _plot(
        options.out / "headers.png",
        rates,
        shares,
        "share of wrong headers",
        "share of tiles labelled right",
    )
    report.show(
        "Labels right with wrong headers, no network",
        ["wrong headers", *shares],
        [[rate, *(shares[name][row] for name in shares)] for row, rate in enumerate(rates)],
        caveats=["which tiles are the same picture is given", f"drawn: {options.out}/headers.png"],
        as_json=options.json,
    )


def _right(tiles: Path, captchas: int, pool: int | None, header_errors: float) -> float:
    drawn = plan(tiles, captchas=captchas, pool=pool, header_errors=header_errors, seed=11)
    sure = np.where(drawn.headers == BUILTIN.none, 1.0, 0.95)
    beliefs = cooccurrence.fit(Sightings(drawn.shown, drawn.headers, sure), len(drawn.labels))
    return float((beliefs.labels.argmax(axis=1) == drawn.labels)[drawn.shown].mean())


def figure(options: argparse.Namespace) -> None:
    """From JPEGs to labels, both ways to read "8 repeats": see the caveats."""
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for name, pool, rounds in (
            ("800 pictures, no network", 800, 0),
            ("5,000 pictures, no network", None, 0),
            (f"5,000 pictures, {options.rounds} networks", None, options.rounds),
        ):
            folder, out = Path(scratch, f"{pool}"), Path(scratch, f"{pool}-found")
            write(plan(options.tiles, captchas=5000, pool=pool, header_errors=0.02, seed=1), folder)
            begun = monotonic()
            outcome = bootstrap(folder, out, rounds=rounds, steps=options.steps)
            right, sure, right_of_sure = tiles_right(folder, out)
            kept = outcome.rounds[outcome.best]
            rows.append([name, right, sure, right_of_sure, kept.agreement, monotonic() - begun])
    report.show(
        "5,000 captchas, 2 % wrong headers: tiles labelled right",
        ["collection", "right", "in sure groups", "right of these", "held-out agreement", "s"],
        rows,
        caveats=[
            "800 pictures: those of the folder, each 50 times, altered anew every time",
            "5,000 pictures: each 8 times, altered anew; 4,200 of them are strongly changed views "
            "of the 800, told apart from these",
            "the first network begins with random weights, others with those of the one before; "
            "they learn from the sure groups only",
        ],
        as_json=options.json,
    )


def cost(options: argparse.Namespace) -> None:
    """Each size in a process of its own: the most memory it had, and its time per captcha."""
    rows = []
    for captchas in options.captchas:
        with tempfile.TemporaryDirectory(dir=options.out) as scratch:
            folder = Path(scratch, "captchas")
            write(plan(options.tiles, captchas=captchas, header_errors=0.02, seed=1), folder)
            command = [sys.executable, "-m", "benchmarks.bootstrap", "one", str(folder)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            took, cpu, memory = map(float, done.stdout.split())
        rows.append([f"{captchas:,}", took, took / captchas * 1000, cpu / captchas * 1000, memory])
    report.show(
        "Cost of bootstrapping, no network, 8 repeats of each picture",
        ["captchas", "s", "ms a captcha", "ms of CPU a captcha", "most memory, GB"],
        rows,
        caveats=["reading, grouping, labels, dataset and contact sheets; not the drawing"],
        as_json=options.json,
    )


def one(options: argparse.Namespace) -> None:
    begun = monotonic()
    bootstrap(options.tiles, options.tiles.parent / "found", rounds=0)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(monotonic() - begun, process_time(), memory)


def train(options: argparse.Namespace) -> None:
    """The same recipe on the same pictures, with found labels and with true ones."""
    from models.runtimes.installed import choose_keras_backend

    choose_keras_backend()
    from models.recognition.decision import decide
    from models.training import tiles

    drawn = plan(options.tiles, captchas=5000, pool=800, header_errors=0.02, seed=1)
    asked = plan(options.tiles, captchas=400, pool=800, seed=77)
    rows: list[tuple[str, float, float]] = []
    with tempfile.TemporaryDirectory() as scratch:
        folder, out = Path(scratch, "captchas"), Path(scratch, "found")
        write(drawn, folder)
        outcome = bootstrap(folder, out, rounds=0)
        found = outcome.dataset
        taught = np.flatnonzero(found.labels.max(axis=1) >= dataset.SURE)
        row = {name: number for number, name in enumerate(map(drawn.name, range(len(drawn))))}
        places = [place.rsplit(":", 1) for place in found.places]
        true = np.eye(len(BUILTIN.labels), dtype=np.float32)[
            [drawn.tile_labels[row[file], int(tile) - 1] for file, tile in places]
        ]
        seen = _captchas(asked)
        for name, labels in (("found", found.labels), ("true", true)):
            file = out / f"{name}.npz"
            write_counted(file, found.pictures, labels, taught)
            network, _ = tiles.train(
                counted(file),
                directory=out / name,
                schedule=replace(tiles.SCHEDULE, epochs=options.epochs, steps_per_epoch=100),
                progress=False,
            )
            given = network.predict(seen.reshape(-1, *seen.shape[2:]), batch_size=256, verbose=0)
            rows.append((name, *_exact(asked, given.reshape(len(asked), 8, -1), decide)))
    report.show(
        "A tiles network from found labels and from true ones",
        ["labels", "exact", "tiles right"],
        [*rows, ("ratio", rows[0][1] / max(rows[1][1], 1e-9), rows[0][2] / rows[1][2])],
        caveats=[
            f"{options.epochs} epochs of 100 batches; {len(asked)} captchas "
            "of the same 800 pictures with right headers, taken as read",
        ],
        as_json=options.json,
    )


def _captchas(drawn: Collection) -> Any:
    from models.recognition.crops import Crops

    return np.stack(
        [
            Crops.from_bytes(drawn.draw(each), BUILTIN.layout, max_bytes=1 << 20).tiles
            for each in range(len(drawn))
        ]
    )


def _exact(asked: Collection, given: Any, decide: Callable[..., Any]) -> tuple[float, float]:
    exact = []
    for words, shown, tiles in zip(asked.asked, asked.tile_labels, given, strict=True):
        header = np.eye(BUILTIN.none + 1, dtype=np.float32)[words]
        wanted = tuple((np.flatnonzero(np.isin(shown, words)) + 1).tolist())
        exact.append(decide(header, tiles, kind=BUILTIN, model="").picks == wanted)
    return float(np.mean(exact)), float((given.argmax(axis=2) == asked.tile_labels).mean())


def _plot(path: Path, xs: Sequence[float], shares: dict[str, list[float]], x: str, y: str) -> None:
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(7, 4.5), layout="constrained")
    axes = drawing.subplots()
    for name, values in shares.items():
        axes.plot(xs, values, marker="o", label=name)
    if xs[-1] > 10:
        axes.set_xscale("log")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(alpha=0.3)
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    drawing.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = {
        "growth": growth,
        "headers": headers,
        "figure": figure,
        "cost": cost,
        "one": one,
        "train": train,
    }
    parser.add_argument("what", choices=commands)
    parser.add_argument("tiles", type=Path)
    parser.add_argument("--out", type=Path, default=Path("build/bootstrap"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--captchas", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    commands[options.what](options)


if __name__ == "__main__":
    main()
