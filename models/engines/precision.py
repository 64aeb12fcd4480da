"""In which precision a network is read fastest here: int8 where the processor has instructions for
it, float32 elsewhere. Processors disagree about it twofold and more, so that each measures for
itself, once.
"""

import statistics
import time
from collections.abc import Mapping
from typing import Final

import numpy as np

from models.engines import kept
from models.engines.kept import processor as _processor
from models.runtimes import litert
from models.store.manifest import sha256

#: Seconds that a network is measured, all its files together, and calls of each at the least.
_SECONDS: Final = 0.025
_LEAST_CALLS: Final = 5
#: What the choices are kept as.
_KEPT: Final = "precision"


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
    key = sha256("".join([_processor(), *sorted(map(sha256, files.values()))]).encode())
    known = kept.read(_KEPT)
    name = known.get(key)
    if isinstance(name, str) and name in files:
        return name
    chosen = _measured(files)
    kept.write(_KEPT, {**known, key: chosen})
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
