"""Keras 3 on TensorFlow or JAX: few big passes, in bucket sizes that are compiled beforehand.

A compiled function is compiled again for every new shape, so a pass is padded to the next bucket,
and every bucket has run once before a session is handed out.
"""

import os
from collections.abc import Callable
from time import perf_counter
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from models.engines import kept
from models.engines.base import NetworkSession
from models.engines.buckets import buckets, fitting
from models.recognition.crops import Crops, padded
from models.recognition.picks import Probabilities
from models.store import Entry, load_network
from models.store.manifest import inputs, outputs
from tilefleet.errors import BadManifest
from tilefleet.kind import Kind

#: Passes of one size of which the fastest is its time, once it is compiled: so many at the least,
#: and for so many seconds.
_LEAST_TIMED: Final = 3
_TIMED_S: Final = 0.05

Network = Callable[[NDArray[np.uint8]], Probabilities]


class KerasEngine:
    """A store entry's two Keras files, compiled."""

    #: One pass fills the device, a second is prepared meanwhile.
    max_sessions = 2
    in_cycles = True
    precision = "float32"

    def __init__(self, entry: Entry, *, max_batch: int, max_bytes: int) -> None:
        """`max_batch`: most captchas in a pass; 0: as many as this device is fast with, which is
        measured once."""
        self.model = entry.identity
        self.kind = entry.manifest.kind
        self._max_bytes = max_bytes
        self._session = KerasSession(
            self.model,
            self.kind,
            words=compiled(_load(entry, "words")),
            tiles=compiled(_load(entry, "tiles")),
            buckets=buckets(max_batch) if max_batch else (),
            sharpness=entry.manifest.sharpness,
        )
        if max_batch:
            self._session.warm_up()
        else:
            self._session.buckets = fitting(self._session.timed, self.model, _device())
        self.max_batch = self.long_batch = self._session.buckets[-1]

    def prepare(self, data: object) -> Crops:
        return Crops.from_bytes(data, self.kind.layout, max_bytes=self._max_bytes)

    def prepare_quickly(self, data: object) -> Crops:
        return Crops.from_bytes(data, self.kind.layout, max_bytes=self._max_bytes, quickly=True)

    def session(self) -> "KerasSession":
        # Compiled functions may be called from several threads: all sessions are one.
        return self._session


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
        self._words, self._tiles = words, tiles
        #: Sizes of passes, the largest last.
        self.buckets = buckets

    def warm_up(self) -> None:
        for size in self.buckets:
            self._pass(*self._black(size))

    def timed(self, size: int) -> float:
        """Seconds of a pass of so many captchas, which is compiled from here on."""
        batch, seconds = self._black(size), list[float]()
        self._pass(*batch)
        while len(seconds) < _LEAST_TIMED or sum(seconds) < _TIMED_S:
            begun = perf_counter()
            self._pass(*batch)
            seconds.append(perf_counter() - begun)
        return min(seconds)

    def words(self, headers: NDArray[np.uint8]) -> Probabilities:
        return self._padded(self._words, headers, 1)

    def tiles(self, tiles: NDArray[np.uint8]) -> Probabilities:
        return self._padded(self._tiles, tiles, self.kind.layout.count)

    def _padded(self, network: Network, pictures: NDArray[np.uint8], each: int) -> Probabilities:
        """What a network says of pictures, `each` to a captcha, in the next larger bucket."""
        count = len(pictures)
        size = next(bucket * each for bucket in self.buckets if bucket * each >= count)
        return network(padded(pictures, size))[:count]

    def _pass(self, headers: NDArray[np.uint8], tiles: NDArray[np.uint8]) -> None:
        """One of exactly this size, whatever it says."""
        self._words(headers)
        self._tiles(tiles)

    def _black(self, size: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Headers and tiles of so many captchas that show nothing."""
        taken, tiles = inputs(self.kind), size * self.kind.layout.count
        return (
            np.zeros((size, *taken["words"]), np.uint8),
            np.zeros((tiles, *taken["tiles"]), np.uint8),
        )


def _device() -> str:
    """What tells where passes are computed, and by what, from other places."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        library, cards = jax.__version__, [device.device_kind for device in jax.devices()]
    else:
        import tensorflow as tf

        config = tf.config
        library, cards = (
            tf.__version__,
            [
                f"{config.experimental.get_device_details(card)} "
                f"{config.get_logical_device_configuration(card)}"
                for card in config.list_physical_devices("GPU")
            ],
        )
    cores = len(os.sched_getaffinity(0))
    return f"{backend} {library} {cards} {kept.processor()} {cores}"


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
    # One concrete function for each shape, kept here: TensorFlow would warn of retracing.
    by_shape: dict[tuple[int, ...], Any] = {}

    def call(pictures: NDArray[np.uint8]) -> Probabilities:
        if pictures.shape not in by_shape:
            signature = tf.TensorSpec(pictures.shape, tf.uint8)
            by_shape[pictures.shape] = function.get_concrete_function(signature)
        probabilities: Probabilities = by_shape[pictures.shape](tf.constant(pictures)).numpy()
        return probabilities

    return call
