"""Keras 3 on TensorFlow or JAX: few big passes, in bucket sizes that are compiled beforehand.

A compiled function is compiled again for every new shape, so a pass is padded to the next bucket,
and every bucket has run once before a session is handed out.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from models.engines.base import NetworkSession
from models.recognition.crops import Crops, padded
from models.recognition.decision import Probabilities
from models.store import Entry, load_network
from models.store.manifest import inputs, outputs
from tilefleet.errors import BadManifest
from tilefleet.kind import Kind

#: Captchas in a pass, unless the settings say otherwise.
MAX_BATCH = 64

Network = Callable[[NDArray[np.uint8]], Probabilities]


class KerasEngine:
    """A store entry's two Keras files, compiled."""

    #: One pass fills the device, a second is prepared meanwhile.
    max_sessions = 2
    in_cycles = True
    precision = "float32"

    def __init__(self, entry: Entry, *, max_batch: int, max_bytes: int) -> None:
        self.model = entry.identity
        self.max_batch = max_batch or MAX_BATCH
        self.kind = entry.manifest.kind
        self._max_bytes = max_bytes
        self._session = KerasSession(
            self.model,
            self.kind,
            words=compiled(_load(entry, "words")),
            tiles=compiled(_load(entry, "tiles")),
            buckets=buckets(self.max_batch),
            sharpness=entry.manifest.sharpness,
        )
        self._session.warm_up()

    def prepare(self, data: object) -> Crops:
        return Crops.from_bytes(data, self.kind.layout, max_bytes=self._max_bytes)

    def session(self) -> "KerasSession":
        # Compiled functions may be called from several threads: all sessions are one.
        return self._session


def buckets(max_batch: int) -> tuple[int, ...]:
    """Pass sizes that are compiled: powers of two up to `max_batch`, and `max_batch` itself."""
    return (*(1 << n for n in range(max_batch.bit_length()) if 1 << n < max_batch), max_batch)


class KerasSession(NetworkSession):
    """Two compiled functions and the sizes they are compiled for."""

    def __init__(
        self,
        model: str,
        kind: Kind,
        *,
        words: Network,
        tiles: Network,
        buckets: tuple[int, ...],
        sharpness: float,
    ) -> None:
        super().__init__(model, kind, sharpness=sharpness)
        self._words, self._tiles, self._buckets = words, tiles, buckets

    def warm_up(self) -> None:
        taken = inputs(self.kind)
        for size in self._buckets:
            self.words(np.zeros((size, *taken["words"]), np.uint8))
            self.tiles(np.zeros((size * self.kind.layout.count, *taken["tiles"]), np.uint8))

    def words(self, headers: NDArray[np.uint8]) -> Probabilities:
        return self._padded(self._words, headers, 1)

    def tiles(self, tiles: NDArray[np.uint8]) -> Probabilities:
        return self._padded(self._tiles, tiles, self.kind.layout.count)

    def _padded(self, network: Network, pictures: NDArray[np.uint8], each: int) -> Probabilities:
        """What a network says of pictures, `each` to a captcha, in the next larger bucket."""
        count = len(pictures)
        size = next(bucket * each for bucket in self._buckets if bucket * each >= count)
        return network(padded(pictures, size))[:count]


def _load(entry: Entry, name: str) -> keras.Model:
    """A network that takes and gives what the kind of captcha needs; raises BadManifest."""
    network = load_network(entry, name)
    found = network.input_shape[1:], network.output_shape[1:]
    wanted = inputs(entry.manifest.kind)[name], outputs(entry.manifest.kind)[name]
    if found != wanted:
        raise BadManifest(
            f"{entry.folder / name}.keras takes {found[0]} and gives {found[1]}; "
            f"expected {wanted[0]} and {wanted[1]} for {entry.manifest.kind}"
        )
    return network


def compiled(network: keras.Model) -> Network:
    """A function of one array, compiled once for each shape that it meets."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        weights = (
            [variable.value for variable in network.trainable_variables],
            [variable.value for variable in network.non_trainable_variables],
        )
        function = jax.jit(lambda pictures: network.stateless_call(*weights, pictures)[0])
        return lambda pictures: np.asarray(function(pictures))
    import tensorflow as tf

    function = tf.function(lambda pictures: network(pictures, training=False))
    # Kept by shape here: TensorFlow takes several shapes of one function for an oversight.
    by_shape: dict[tuple[int, ...], Any] = {}

    def call(pictures: NDArray[np.uint8]) -> Probabilities:
        if pictures.shape not in by_shape:
            signature = tf.TensorSpec(pictures.shape, tf.uint8)
            by_shape[pictures.shape] = function.get_concrete_function(signature)
        probabilities: Probabilities = by_shape[pictures.shape](tf.constant(pictures)).numpy()
        return probabilities

    return call
