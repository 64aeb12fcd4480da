"""What further teachers answer to views that are there: a file in every shard for each of them.

They are asked in int8: such teachers are large, and there are hundreds of thousands of views. Drawn
tiles keep their labels' answers.
"""

from collections.abc import Callable, Mapping, Sequence
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
from models.training.teachers.shards import make_all
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
    drawn: int,
    say: Callable[[str], None],
) -> str:
    """Let a teacher answer for all views; returns the name of the array in each shard, float16
    (views, labels), logarithms of probabilities.

    `number`: which of the further teachers it is, from 1; `drawn`: how many of the views that were
    made together show drawn tiles (`views.drawn_together`).
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
    make_all(_Answerer, (file, name, drawn), missing, say=say)
    return name


def mean(drawn: Mapping[str, NDArray[np.float16]], weights: Mapping[str, float]) -> NDArray[Any]:
    """Logarithms of the mean of what teachers answer: float32 (views, labels).

    `weights`: the arrays of theirs that are in `drawn`, and what each weighs; together 1.
    """
    answers = [drawn[name].astype(np.float32) + np.log(weight) for name, weight in weights.items()]
    return np.asarray(np.logaddexp.reduce(answers))


class _Answerer:
    """Answers for shards in one process."""

    def __init__(self, file: bytes, name: str, drawn: int) -> None:
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
