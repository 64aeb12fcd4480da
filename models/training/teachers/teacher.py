"""A stored tiles network that another one learns from."""

import threading
from collections.abc import Callable, Sequence

import keras
import numpy as np
from numpy.typing import NDArray

from models.runtimes import litert
from models.runtimes.convert import to_litert
from models.store import Entry, load_network
from models.training.teachers.maps import Maps, narrowest

#: Pictures in one call.
_BATCH = 8
_LEAST_SPREAD = 1e-3
_ANSWER = "answer"


class Teacher:
    """Says what it sees in tiles, and shows its maps; from any thread, one call at a time."""

    def __init__(self, entry: Entry, *, sides: Sequence[int] = ()) -> None:
        """Load the tiles network of a model, to show such maps as it has of these sides."""
        self.identity = entry.identity
        network = load_network(entry, "tiles")
        maps = narrowest(network, sides)
        #: Side → channels of the maps that are shown.
        self.channels = {side: int(tensor.shape[-1]) for side, tensor in maps.items()}
        shown = {str(side): tensor for side, tensor in maps.items()}
        self._look = look(keras.Model(network.input, {_ANSWER: network.output, **shown}))
        self._spread: dict[int, NDArray[np.float32]] = {
            side: np.ones(count, np.float32) for side, count in self.channels.items()
        }
        self._lock = threading.Lock()

    def measure(self, tiles: NDArray[np.uint8]) -> None:
        """Let each channel of its maps vary by 1 on these pictures, uint8 (n, h, w, 3)."""
        _, maps = self(tiles)
        for side, shown in maps.items():
            self._spread[side] *= np.maximum(shown.std(axis=(0, 1, 2)), _LEAST_SPREAD)

    def __call__(self, tiles: NDArray[np.uint8]) -> tuple[NDArray[np.float32], Maps]:
        """uint8 (n, h, w, 3) to float32 (n, labels) probabilities, and the maps."""
        count = len(tiles)
        filling = np.zeros((-count % _BATCH, *tiles.shape[1:]), np.uint8)
        tiles = np.concatenate([tiles, filling])
        with self._lock:
            parts = [
                self._look(tiles[start : start + _BATCH]) for start in range(0, len(tiles), _BATCH)
            ]
        seen = np.concatenate([part[_ANSWER] for part in parts])[:count]
        maps = {
            side: np.concatenate([part[str(side)] for part in parts])[:count]
            for side in self.channels
        }
        return seen, {side: np.divide(each, self._spread[side]) for side, each in maps.items()}


def look(
    network: keras.Model, batch: int = _BATCH
) -> Callable[[NDArray[np.uint8]], dict[str, NDArray[np.float32]]]:
    """All outputs of a network that has them by name, for `batch` pictures in a call: by LiteRT,
    the fastest on a CPU, if Keras runs on what can write its files, else by Keras."""
    if keras.backend.backend() != "tensorflow":
        return lambda tiles: {
            name: np.asarray(each) for name, each in network.predict_on_batch(tiles).items()
        }
    runner = litert.load(to_litert(network, batch))
    call = runner.get_signature_runner()
    ((_, names),) = runner.get_signature_list().items()
    (given,) = names["inputs"]
    return lambda tiles: call(**{given: tiles})
