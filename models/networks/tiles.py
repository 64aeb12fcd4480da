"""The tiles network: uint8 RGB (batch, 67, 67, 3) to float32 (batch, 80) probabilities.

Shaped for one CPU core: full convolutions with few channels while the picture is large, and
bottlenecks once it is small; depthwise ones would save arithmetic but wait for memory, and train
several times slower on a CPU.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from models.geometry import TILE
from models.labels import LABELS

#: For each halving after the stem (to 9 and 5 pixels): its channels, the channels inside its
#: bottlenecks, and how many of those there are.
Stages = Sequence[tuple[int, int, int]]

SHALLOW: Stages = ((64, 32, 3), (128, 64, 2))
DEEP: Stages = ((64, 32, 4), (128, 64, 5))

_STEM = (16, 32)
_HEAD = 256
_DROPOUT = 0.1


def build(stages: Stages = DEEP) -> keras.Model:
    """A new network with random weights (set Keras's seed first)."""
    pixels = keras.Input((TILE, TILE, 3), dtype="uint8", name="tiles")
    x = layers.Rescaling(1 / 64, offset=-2.0, name="scale")(pixels)
    for index, channels in enumerate(_STEM):
        x = _convolve(x, channels, 3, strides=2, name=f"stem{index}")  # (34, 34), (17, 17)
    for index, (channels, inside, blocks) in enumerate(stages):
        x = _convolve(x, channels, 3, strides=2, name=f"stage{index}")  # (9, 9), (5, 5)
        for block in range(blocks):
            name = f"stage{index}_block{block}"
            y = _convolve(x, inside, 1, name=f"{name}_in")
            y = _convolve(y, inside, 3, name=f"{name}_middle")
            y = _convolve(y, channels, 1, name=f"{name}_out", residual=True)
            x = layers.ReLU()(layers.Add()([x, y]))
    x = _convolve(x, _HEAD, 1, name="head")
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(_DROPOUT)(x)
    probabilities = layers.Dense(len(LABELS), activation="softmax", name="probabilities")(x)
    return keras.Model(pixels, probabilities, name="tiles")


def grow(shallow: keras.Model, stages: Stages) -> keras.Model:
    """A deeper network that answers as `shallow` does: what it has not changes nothing at first.

    The last normalisation of a new bottleneck begins with a scale of zero, so that the bottleneck
    adds nothing until it has learned something (Chen et al., "Net2Net", 2016).
    """
    deep = build(stages)
    known = {layer.name: layer for layer in shallow.layers if layer.weights}
    for layer in deep.layers:
        if layer.name in known:
            layer.set_weights(known.pop(layer.name).get_weights())
    if known:
        raise ValueError(f"a network of {stages} has no {', '.join(known)}")
    return deep


def _convolve(
    x: Any, channels: int, size: int, *, name: str, strides: int = 1, residual: bool = False
) -> Any:
    x = layers.Conv2D(
        channels, size, strides=strides, padding="same", use_bias=False, name=f"{name}_conv"
    )(x)
    scale = "zeros" if residual else "ones"
    x = layers.BatchNormalization(momentum=0.98, gamma_initializer=scale, name=f"{name}_norm")(x)
    return x if residual else layers.ReLU()(x)
