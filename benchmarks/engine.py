"""Engines without a queue: networks, runtimes, threads, pass sizes, with and without decoding.

python -m benchmarks.engine --legacy ../shared/data/legacy [--rounds 5] [--json]

The baseline is the legacy pair as the old servers call it: Keras `predict`, one captcha a call.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.endtoend import images
from benchmarks.support import report
from models import engines, store
from models.recognition.crops import Crops
from models.runtimes.installed import choose_keras_backend
from tilefleet.kind import BUILTIN
from tilefleet.settings import Settings

_MAX_BYTES = 1 << 20
_CAPTCHAS = 32


@dataclass(frozen=True)
class Case:
    """One row: `read` reads all `images` once."""

    model: str
    runtime: str
    threads: int
    pass_size: int
    decoding: bool
    read: Callable[[], None]


def _engine_cases(
    name: str, runtime: str, root: Path, files: Sequence[bytes], sizes: Sequence[int]
) -> list[Case]:
    settings = Settings(models=(name,), store=root, engine=runtime, max_batch=max(sizes))
    engine = engines.load(settings)
    prepared = [engine.prepare(data) for data in files]
    lanes = [engine.session() for _ in range(2)]

    def one_thread(session: Any, size: int, decoding: bool, share: Sequence[int]) -> None:
        for start in range(0, len(share), size):
            chosen = share[start : start + size]
            if decoding:
                session.read([engine.prepare(files[index]) for index in chosen])
            else:
                session.read([prepared[index] for index in chosen])

    def cases(threads: int, size: int, decoding: bool) -> Case:
        shares = [range(number, len(files), threads) for number in range(threads)]
        pool = ThreadPoolExecutor(threads)

        def read() -> None:
            work = [
                pool.submit(one_thread, session, size, decoding, share)
                for session, share in zip(lanes, shares, strict=False)
            ]
            for each in work:
                each.result()

        return Case(name, runtime, threads, size, decoding, read)

    return [
        cases(threads, size, decoding)
        for threads in (1, 2)
        for size in sizes
        for decoding in (False, True)
    ]


def _predict_case(name: str, root: Path, files: Sequence[bytes]) -> Case:
    entry = store.find(name, root=root)
    words, tiles = (store.load_network(entry, network) for network in ("words", "tiles"))

    def read() -> None:
        for data in files:
            crops = Crops.from_bytes(data, BUILTIN.layout, max_bytes=_MAX_BYTES)
            words.predict(crops.header[np.newaxis], verbose=0)
            tiles.predict(crops.tiles, verbose=0)

    return Case(name, "keras predict", os.cpu_count() or 1, 1, True, read)


def _one_core(case: Case) -> None:
    """Those of one thread run on one core: no helper thread of a library takes another."""
    everyone = os.sched_getaffinity(0)
    try:
        if case.threads == 1:
            os.sched_setaffinity(0, {min(everyone)})
        case.read()
    finally:
        os.sched_setaffinity(0, everyone)


def _against(legacy: str, cases: Sequence[Case], rates: dict[int, list[float]]) -> list[str]:
    """How many times faster than the legacy pair each model is, where only the networks count."""
    alone = {
        case.model: rates[number]
        for number, case in enumerate(cases)
        if (case.runtime, case.threads, case.pass_size, case.decoding) == ("litert", 1, 8, False)
    }
    return [
        f"{model} against {legacy}, LiteRT, one thread, no decoding: "
        + report.spread([one / other for one, other in zip(rate, alone[legacy], strict=True)])
        for model, rate in alone.items()
        if model != legacy
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--legacy", type=Path, help="folder with the pair of 12306-ocr")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    choose_keras_backend()
    files = [path.read_bytes() for path in images()][:_CAPTCHAS]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        names = ["builtin"]
        if options.legacy:
            from models.legacy.importer import import_networks

            import_networks(
                options.legacy / "12306-ocr-text.h5",
                [options.legacy / "12306-ocr-image.h5"],
                name="12306-ocr",
                root=root,
                say=lambda line: None,
            )
            names.append("12306-ocr")
        from models.training.finish.precision import convert

        builtin = store.find("builtin", root=root)
        if builtin.manifest.precision == "int8":
            convert(builtin, "float32", name="builtin-float32", root=root)
            names.insert(1, "builtin-float32")
        cases = [_predict_case(names[-1], root, files)]
        for name in names:
            cases += _engine_cases(name, "litert", root, files, (1, 8))
        for name in ("builtin", names[-1]):
            cases += _engine_cases(name, "keras", root, files, (1, 32))
        rates: dict[int, list[float]] = {number: [] for number in range(len(cases))}
        for case in cases:
            _one_core(case)
        for _ in range(options.rounds):
            for number, case in enumerate(cases):
                begun = time.perf_counter()
                _one_core(case)
                rates[number].append(len(files) / (time.perf_counter() - begun))
    baseline = median(rates[0])
    rows = [
        [
            case.model,
            case.runtime,
            case.threads,
            case.pass_size,
            "yes" if case.decoding else "no",
            report.spread(rates[number]),
            f"{median(rates[number]) / baseline:.1f}",
        ]
        for number, case in enumerate(cases)
    ]
    report.show(
        "Engines without a queue",
        [
            "model",
            "runtime",
            "threads",
            "captchas a pass",
            "decoding",
            "captchas/s, median (least to most)",
            "× Keras predict",
        ],
        rows,
        caveats=[
            *_against(names[-1], cases, rates),
            f"{options.rounds} rounds of {len(files)} captchas, each case once a round",
            "one thread: on one core; Keras predict: as it comes, on all of them",
        ],
        as_json=options.json,
    )


if __name__ == "__main__":
    main()
