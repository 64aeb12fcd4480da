"""A stored tiles network that labels pictures for another one to learn from."""

import threading

import numpy as np
from numpy.typing import NDArray

from models import interpreter
from models.labels import LABELS
from models.store import Entry


class Teacher:
    """Calls the LiteRT tiles network of a model; from any thread, one call at a time."""

    def __init__(self, entry: Entry) -> None:
        self.identity = entry.identity
        self._interpreter = interpreter.load(entry.read("tiles.tflite"))
        self._input = self._interpreter.get_input_details()[0]
        self._output = self._interpreter.get_output_details()[0]["index"]
        self._lock = threading.Lock()

    def __call__(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 (n, 67, 67, 3) to float32 (n, 80) probabilities."""
        batch = int(self._input["shape"][0])
        answers = np.empty((len(tiles), len(LABELS)), np.float32)
        with self._lock:
            for start in range(0, len(tiles), batch):
                part = tiles[start : start + batch]
                missing = batch - len(part)
                if missing:
                    part = np.concatenate([part, np.zeros((missing, *part.shape[1:]), np.uint8)])
                self._interpreter.set_tensor(self._input["index"], part)
                self._interpreter.invoke()
                answer = self._interpreter.get_tensor(self._output)
                answers[start : start + batch] = answer[: batch - missing]
        return answers
