"""What a GPU does: its tests, passes by size and precision, workers that share it.

    make gpu        # or: python -m benchmarks.gpu [--minutes 8] [--data FOLDER] [--out gpu.json]

tests      `pytest -m gpu`
engine     the Keras engine without a queue, passes of 1 to 1,024 captchas, in float32 and in mixed
           precision; the built-in networks, and those of 12306-ocr where --data has them
endtoend   `benchmarks.endtoend`
scale      1, 2 and 4 workers that share the GPU, from a full queue

Each part is a process of its own and ends when its time is over; what it had measured is shown.
Writes one JSON object to --out, and prints one table. Without a GPU it says so and ends with 1.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from time import monotonic, perf_counter
from typing import Any

from benchmarks.endtoend import images
from benchmarks.support import report

_DEVICE = Path("/dev/nvidiactl")
_SIZES = tuple(1 << power for power in range(11))
_ROUNDS = 3
#: Of the time for everything, what each part may take.
_SHARES = {"tests": 0.25, "engine": 0.4, "endtoend": 0.15, "scale": 0.2}

Row = dict[str, Any]


def card() -> str:
    """Its name and driver; empty where there is none."""
    if not _DEVICE.exists():
        return ""
    command = [
        "nvidia-smi",
        "--query-gpu=name,memory.total,driver_version",
        "--format=csv,noheader",
    ]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "a GPU that nvidia-smi says nothing of"


def tests(_: Path) -> Iterator[Row]:
    """How many passed; what failed is above."""
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "tests"]
    done = subprocess.run(command, capture_output=True, text=True)
    print(done.stdout, file=sys.stderr)
    summary = done.stdout.strip().splitlines()[-1].strip("= ") if done.stdout.strip() else "nothing"
    yield {"part": "tests", "what": "pytest -m gpu", "result": summary, "ok": done.returncode == 0}


def engine(data: Path) -> Iterator[Row]:
    """Captchas a second of a pass, decoded beforehand, by its size."""
    # Only here: where TensorFlow is missing, the other parts say so themselves.

    from models import engines, store
    from models.engines.keras import KerasSession, compiled
    from models.recognition.crops import Crops
    from tilefleet.kind import BUILTIN
    from tilefleet.settings import Settings

    layout = BUILTIN.layout
    crops = [Crops.from_bytes(path.read_bytes(), layout, max_bytes=1 << 20) for path in images()]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        names = ["builtin", *(["12306-ocr"] if _imported(data / "legacy", root) else [])]
        # Asks for memory growth, before the GPU is first used.
        engines.load(Settings(engine="keras", max_batch=1))
        for name in names:
            entry = store.find(name, root=root)
            for precision in ("float32", "mixed_float16"):
                words, tiles = (
                    compiled(_in_precision(store.load_network(entry, network), precision))
                    for network in ("words", "tiles")
                )
                session = KerasSession(
                    entry.identity,
                    entry.manifest.kind,
                    words=words,
                    tiles=tiles,
                    buckets=_SIZES,
                    sharpness=1.0,
                )
                for size in _SIZES:
                    batch = [crops[number % len(crops)] for number in range(size)]
                    # Compiles.
                    session.look(batch)
                    seconds = []
                    for _ in range(_ROUNDS):
                        begun = perf_counter()
                        session.look(batch)
                        seconds.append(perf_counter() - begun)
                    yield {
                        "part": "engine",
                        "what": f"{entry.identity}, {precision}, passes of {size}",
                        "result": f"{size / median(seconds):,.0f} captchas/s",
                        "captchas_per_s": size / median(seconds),
                        "pass_ms": [each * 1000 for each in seconds],
                    }


def endtoend(_: Path) -> Iterator[Row]:
    command = [sys.executable, "-m", "benchmarks.endtoend", "--rounds", "1", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for row in json.loads(done.stdout)["rows"]:
        what, result = row.values()
        yield {"part": "endtoend", "what": what, "result": str(result)}


def scale(_: Path) -> Iterator[Row]:
    from benchmarks.scale import run

    one = 0.0
    for workers in (1, 2, 4):
        found = run(workers, 3000 * workers, pinned=False).rate
        one = one or found
        yield {
            "part": "scale",
            "what": f"{workers} workers share the GPU",
            "result": f"{found:,.0f} captchas/s, {found / one:.2f} of one's",
            "captchas_per_s": found,
        }


PARTS: dict[str, Callable[[Path], Iterator[Row]]] = {
    "tests": tests,
    "engine": engine,
    "endtoend": endtoend,
    "scale": scale,
}


def _imported(legacy: Path, root: Path) -> bool:
    """The pair of 12306-ocr into `root`, if it is there."""
    words, tiles = legacy / "12306-ocr-text.h5", legacy / "12306-ocr-image.h5"
    if not (words.exists() and tiles.exists()):
        return False
    from models.legacy.importer import import_networks

    import_networks(words, [tiles], name="12306-ocr", root=root, say=lambda line: None)
    return True


def _in_precision(network: Any, policy: str) -> Any:
    """The same network and weights, computing in `policy`; float32 as it is stored."""
    if policy == "float32":
        return network
    for layer in network._flatten_layers():
        layer.dtype_policy = policy
    return network


def _run(part: str, seconds: float, data: Path) -> tuple[list[Row], str]:
    """What a part has measured, and what went wrong with it."""
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as file:
        command = [sys.executable, "-m", "benchmarks.gpu", "--part", part, "--out", file.name]
        why = ""
        try:
            done = subprocess.run(
                [*command, "--data", str(data)],
                timeout=seconds,
                env={**os.environ, "TILEFLEET_DATA": str(data)},
            )
            why = f"ended with exit code {done.returncode}" if done.returncode else ""
        except subprocess.TimeoutExpired:
            why = f"not finished within {seconds:.0f} s"
        return [json.loads(line) for line in Path(file.name).read_text().splitlines()], why


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=8.0, help="for all of it")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("gpu.json"))
    parser.add_argument("--part", choices=PARTS, help="that one, a JSON object a line to --out")
    options = parser.parse_args()
    if not (name := card()):
        sys.exit(f"there is no GPU here (no {_DEVICE}): nothing was tested or measured")
    if options.part:
        with options.out.open("w") as file:
            for row in PARTS[options.part](options.data):
                print(json.dumps(row), file=file, flush=True)
        return
    ends = monotonic() + 60 * options.minutes
    rows: list[Row] = []
    trouble = []
    left = dict(_SHARES)
    for part in PARTS:
        # What one leaves of its time is the next ones'.
        share = left[part] / sum(left.values())
        del left[part]
        seconds = (ends - monotonic()) * share
        found, why = _run(part, max(1.0, seconds), options.data)
        rows += found
        trouble += [f"{part}: {why}"] if why else []
    options.out.write_text(
        json.dumps({"gpu": name, "machine": report.machine(), "rows": rows, "trouble": trouble})
    )
    report.show(
        f"On a GPU: {name}",
        ["part", "what", "result"],
        [[row["part"], row["what"], row["result"]] for row in rows],
        caveats=[f"{_ROUNDS} rounds; {options.minutes:g} minutes for everything", *trouble],
        as_json=False,
    )
    sys.exit(bool(trouble) or not all(row.get("ok", True) for row in rows))


if __name__ == "__main__":
    main()
