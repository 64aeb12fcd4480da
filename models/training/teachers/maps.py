"""Maps inside a network, as hints of one for another to learn from.

An answer alone teaches little of how to get there. So a teacher also shows its maps: at each size
of map, the last one of the fewest channels, through which everything that it goes on with must
pass. Each place of a map depends on a small part of the picture only, so a few thousand pictures
teach them well where they would not teach the answers (Romero et al., "FitNets: hints for thin deep
nets", 2015).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

#: Side of a map → the map, float32 (n, side, side, channels).
Maps = Mapping[int, NDArray[np.float32]]

#: Name of the answer among the outputs of a network in training.
ANSWER = "probabilities"


def guess(side: int) -> str:
    """Name of the output that guesses the teacher's map of this side."""
    return f"map{side}"


def narrowest(network: keras.Model, sides: Sequence[int]) -> dict[int, Any]:
    """Side → the network's last square map of this side with the fewest channels, a tensor."""
    found: dict[int, Any] = {}
    for side, tensor in _square(network, sides):
        if side not in found or tensor.shape[-1] <= found[side].shape[-1]:
            found[side] = tensor
    return found


def last(network: keras.Model, sides: Iterable[int]) -> dict[int, Any]:
    """Side → the network's last square map of this side, a tensor."""
    return dict(_square(network, sides))


def guessing(network: keras.Model, channels: Mapping[int, int]) -> keras.Model:
    """The network with guesses of a teacher's maps beside its answer.

    `channels`: side → channels of the teacher's map. A guess is linear in the network's own last
    map of that side.
    """
    guesses = {
        guess(side): keras.layers.Conv2D(channels[side], 1, name=guess(side))(own)
        for side, own in last(network, channels).items()
    }
    return keras.Model(network.input, {ANSWER: network.output, **guesses}, name="in_training")


def _square(network: keras.Model, sides: Iterable[int]) -> Iterator[tuple[int, Any]]:
    for layer in network.layers:
        shape: Sequence[Any] = getattr(layer.output, "shape", ())
        if len(shape) == 4 and shape[1] == shape[2] and shape[1] in sides:
            yield int(shape[1]), layer.output
