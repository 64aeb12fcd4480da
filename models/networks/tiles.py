"""The tiles network: uint8 RGB (batch, h, w, 3) to float32 (batch, labels) probabilities.

Shaped for one CPU core: full convolutions with few channels while the picture is large, and
bottlenecks once it is small; depthwise ones would save arithmetic but wait for memory, and train
several times slower on a CPU.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from tilefleet.kind import BUILTIN, Kind

_STEM = (16, 32)
#: For each halving after the stem (to 9 and 5 pixels): its channels, and those inside its
#: bottlenecks.
_STAGES = ((64, 32), (128, 64))
_HEAD = 256
#: Sides of the maps behind the stem and behind each stage, of a tile of the built-in's size.
SIDES = (17, 9, 5)
_DROPOUT = 0.1


def build(bottlenecks: Sequence[int] = (1, 1), kind: Kind = BUILTIN) -> keras.Model:
    """A new network with random weights (set Keras's seed first); `bottlenecks`: of each stage;
    `kind`: of the captchas whose tiles it reads."""
    pixels = keras.Input((*kind.layout.tile_shape, 3), dtype="uint8", name="tiles")
    x = layers.Rescaling(1 / 64, offset=-2.0, name="scale")(pixels)
    for channels in _STEM:
        x = _convolve(x, channels, 3, strides=2)  # (34, 34), (17, 17)
    for (channels, inside), count in zip(_STAGES, bottlenecks, strict=True):
        x = _convolve(x, channels, 3, strides=2)  # (9, 9), (5, 5)
        for _ in range(count):
            y = _convolve(x, inside, 1)
            y = _convolve(y, inside, 3)
            y = _convolve(y, channels, 1, activate=False)
            x = layers.ReLU()(layers.Add()([x, y]))
    x = _convolve(x, _HEAD, 1)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(_DROPOUT)(x)
    probabilities = layers.Dense(len(kind.labels), activation="softmax", name="probabilities")(x)
    return keras.Model(pixels, probabilities, name="tiles")


def _convolve(x: Any, channels: int, size: int, *, strides: int = 1, activate: bool = True) -> Any:
    x = layers.Conv2D(channels, size, strides=strides, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(momentum=0.98)(x)
    return layers.ReLU()(x) if activate else x
