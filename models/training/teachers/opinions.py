"""What further teachers answer to views that are there: a file in every shard for each of them.

They are asked in int8, which takes a third of the time; the answers of the network that is learned
from differ from its own by 0.005 nats. Drawn tiles keep their labels' answers.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from models import store
from models.runtimes import litert
from models.runtimes.convert import to_litert
from models.runtimes.quantise import quantise
from models.training.teachers import views
from tilefleet.errors import ModelError

#: Pictures in one call.
_CALL = 8
#: Views that activations are measured on.
_MEASURED = 512


def add(
    shards: Sequence[Path],
    teacher: store.Entry,
    number: int,
    *,
    mixture: views.Mixture,
    say: Callable[[str], None],
) -> str:
    """Let a teacher answer for all views; returns the name of the array in each shard, float16
    (views, labels), logarithms of probabilities.

    `number`: which of the further teachers it is, from 1; `mixture`: that the views were made of.
    Raises ModelError if Keras does not run on TensorFlow.
    """
    name = f"{views.ANSWERS}-{number}"
    missing = [shard for shard in shards if not (shard / f"{name}.npy").is_file()]
    if not missing:
        return name
    if keras.backend.backend() != "tensorflow":
        raise ModelError(
            "further teachers are asked in int8, which only Keras on TensorFlow writes; "
            f"KERAS_BACKEND is {keras.backend.backend()!r}"
        )
    say(f"{teacher.identity} answers for {len(missing) * views.SHARD:,} views, too")
    network = to_litert(store.load_network(teacher, "tiles"), _CALL)
    file = quantise(network, np.load(shards[0] / f"{views.PIXELS}.npy")[:_MEASURED])
    task = (file, name, mixture.drawn_of(views.TOGETHER))
    if len(missing) == 1:
        # Sooner answered than a process is started that loads Keras.
        _Answerer(*task)(missing[0])
        return name
    workers = min(len(missing), os.cpu_count() or 1)
    with multiprocessing.get_context("spawn").Pool(workers, _begin, task) as pool:
        for done, _ in enumerate(pool.imap_unordered(_answer, missing), 1):
            if done % 10 == 0 or done == len(missing):
                say(f"{done} of {len(missing)} shards")
    return name


class _Answerer:
    """Answers for shards in one process."""

    def __init__(self, file: bytes, name: str, drawn: int) -> None:
        """`drawn`: of the views that are made together, how many, at the end, show drawn tiles."""
        self._name = name
        self._drawn = drawn
        self._runner = litert.load(file)
        self._call = self._runner.get_signature_runner()
        ((_, names),) = self._runner.get_signature_list().items()
        (self._given,) = names["inputs"]
        (self._found,) = names["outputs"]

    def __call__(self, shard: Path) -> None:
        pixels = np.load(shard / f"{views.PIXELS}.npy")
        first = np.load(shard / f"{views.ANSWERS}.npy")
        answers = views.logarithms(self._ask(pixels))
        is_drawn = np.arange(len(pixels)) % views.TOGETHER >= views.TOGETHER - self._drawn
        answers[is_drawn] = first[is_drawn]
        draft = shard / f"draft.{self._name}"
        with draft.open("wb") as file:
            np.save(file, answers)
        draft.rename(shard / f"{self._name}.npy")

    def _ask(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        parts: list[Any] = [
            self._call(**{self._given: pixels[start : start + _CALL]})[self._found]
            for start in range(0, len(pixels), _CALL)
        ]
        return np.concatenate(parts)


_answerer: _Answerer | None = None


def _begin(*given: Any) -> None:
    global _answerer
    # Ctrl-C is the business of who began this.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _answerer = _Answerer(*given)


def _answer(shard: Path) -> None:
    assert _answerer is not None
    _answerer(shard)
