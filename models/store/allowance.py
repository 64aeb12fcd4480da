"""How large the networks may be that Keras makes of a file.

A description of a few kilobytes names layers of any size, one after the other, and Keras makes all
of their weights before it looks at those in the file.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from threading import Lock
from typing import Any

from models.store.contents import MOST_NETWORK
from tilefleet.errors import BadManifest

_BYTES = 4
_one_at_a_time = Lock()


@contextmanager
def bounded_weights(what: object, most: int = MOST_NETWORK) -> Iterator[None]:
    """Layers that are made in the block, by whatever thread, have at most so many bytes of weights
    together; the next one raises BadManifest. `what`: how that calls them."""
    import keras

    left = most
    layer: Any = keras.layers.Layer

    def add_weight(self: Any, shape: Any = None, *args: Any, **options: Any) -> Any:
        nonlocal left
        sides = (shape,) if isinstance(shape, int) else shape or ()
        left -= _BYTES * prod(side or 0 for side in sides)
        if left < 0:
            raise BadManifest(f"{what} describes more than {most:,} bytes of weights")
        return made(self, shape, *args, **options)

    with _one_at_a_time:
        # Not before it is this one's turn: it would be what another one has put there.
        made = layer.add_weight
        layer.add_weight = add_weight
        try:
            yield
        finally:
            layer.add_weight = made
