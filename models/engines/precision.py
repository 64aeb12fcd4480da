"""In which precision a network is read fastest here: int8 where the processor has instructions for
it, float32 elsewhere. Processors disagree about it twofold and more, so that each measures for
itself, once.
"""

import hashlib
import json
import os
import platform
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from models.runtimes import litert
from models.store.manifest import sha256
from tilefleet.files import atomic_write

#: Seconds that a network is measured, all its files together, and calls of each at the least.
_SECONDS: Final = 0.025
_LEAST_CALLS: Final = 5
_CPU: Final = Path("/proc/cpuinfo")
#: What says what a processor is, of the lines of the file above.
_TELLING: Final = ("model name", "flags", "Features")


class Unreadable(ValueError):
    """One of the files is no LiteRT file."""

    def __init__(self, name: str, error: Exception) -> None:
        super().__init__(str(error))
        #: Of the file.
        self.name = name


def fastest(files: Mapping[str, bytes]) -> str:
    """The name of the fastest of a network's LiteRT `files`, as it was measured on this machine
    before, or else is now. Raises Unreadable."""
    if len(files) == 1:
        return next(iter(files))
    cache = _cache()
    key = sha256("".join([_processor(), *sorted(map(sha256, files.values()))]).encode())
    known = _read(cache)
    if known.get(key) in files:
        return known[key]
    chosen = _measured(files)
    _write(cache, {**known, key: chosen})
    return chosen


def _measured(files: Mapping[str, bytes]) -> str:
    """In turns, so that what else runs on the machine slows down all alike."""
    runners = {}
    for name, contents in files.items():
        try:
            interpreter = litert.load(contents)
        except (ValueError, RuntimeError) as error:
            raise Unreadable(name, error) from None
        given = interpreter.get_input_details()[0]
        interpreter.set_tensor(given["index"], np.zeros(given["shape"], given["dtype"]))
        interpreter.invoke()
        runners[name] = interpreter.invoke
    seconds: dict[str, list[float]] = {name: [] for name in files}
    end = time.perf_counter() + _SECONDS
    while time.perf_counter() < end or len(seconds[name]) < _LEAST_CALLS:
        for name, run in runners.items():
            begun = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - begun)
    return min(files, key=lambda name: statistics.median(seconds[name]))


def _processor() -> str:
    """What tells this kind of processor from others."""
    try:
        lines = _CPU.read_text(errors="replace").splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    telling = sorted({line for line in lines if line.startswith(_TELLING)})
    return hashlib.sha256("\n".join(telling).encode()).hexdigest()


def _cache() -> Path:
    """In the XDG cache folder of the user."""
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches) / "tilefleet" / "precision.json"


def _read(cache: Path) -> dict[str, str]:
    """What it says; nothing if it is missing or damaged."""
    try:
        known = json.loads(cache.read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _write(cache: Path, known: Mapping[str, str]) -> None:
    """A worker may have no place to write: then it measures at each start."""
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(cache, text=True) as file:
            json.dump(known, file)
    except OSError:
        pass
