"""The tiles network as a chain of blocks: uint8 RGB (batch, h, w, 3) to float32 (batch, labels).

Between two blocks stands a narrow linear map of the shape that a teacher of the MobileNetV2 family
has there (Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", 2018), so that
each block can be trained alone, from the teacher's map before it to the teacher's next one. Large
maps get full convolutions, which are cheap on a CPU while channels are few; small ones the
teacher's kind of block, an expansion and a depthwise convolution, with the teacher's strides.

Nothing is normalised inside: the maps between the blocks are standardised ones (`training.blocks`),
and without batch normalisation a step of training takes half the time on a CPU.
"""

from typing import Any, Final

import keras
from keras import layers

from tilefleet.kind import BUILTIN, Kind

#: The maps between the blocks: name → side, side, channels.
MAPS: Final = {
    "map17": (17, 17, 8),
    "map9": (9, 9, 12),
    "sum9": (9, 9, 12),
    "map5": (5, 5, 20),
}
#: Name of the last block's output, before the softmax.
SCORES: Final = "scores"

_STEM = (16, 96)
_FIRST = 256
_MIDDLE = 448
_LAST = 896
#: Of the last block: channels before the mean, and after it.
_HEAD = (160, 640)


def blocks(kind: Kind = BUILTIN) -> list[keras.Model]:
    """New blocks with random weights (set Keras's seed first); each is named after its output.

    `kind`: of the captchas whose tiles it reads, which have the built-in's size.
    """
    return [_pixels(), _first(), _middle(), _last(), head(kind)]


def head(kind: Kind = BUILTIN) -> keras.Model:
    """A new last block."""
    given = keras.Input(MAPS["map5"])
    wide, dense = _HEAD
    x = layers.GlobalAveragePooling2D()(_convolve(given, wide, 1))
    x = layers.Dense(dense, activation="relu")(x)
    return keras.Model(given, layers.Dense(len(kind.labels))(x), name=SCORES)


def build(kind: Kind = BUILTIN) -> keras.Model:
    """A new network with random weights."""
    return assemble(blocks(kind))


def assemble(parts: list[keras.Model]) -> keras.Model:
    """The blocks one after the other, and probabilities behind the last."""
    joined = join(parts)
    probabilities = layers.Softmax(name="probabilities")(joined.output)
    return keras.Model(joined.input, probabilities, name="tiles")


def join(parts: list[keras.Model]) -> keras.Model:
    """The blocks one after the other."""
    x = pixels = keras.Input((*BUILTIN.layout.tile_shape, 3), dtype="uint8", name="tiles")
    for part in parts:
        x = part(x)
    return keras.Model(pixels, x)


def _pixels() -> keras.Model:
    pixels = keras.Input((*BUILTIN.layout.tile_shape, 3), dtype="uint8")
    # What padding adds is the mean of ImageNet's pixels, about what the teacher's adds.
    x = layers.Rescaling(1 / 64, offset=-1.79)(pixels)
    for channels in _STEM:
        x = _convolve(x, channels, 3, strides=2)  # (34, 34), (17, 17)
    return keras.Model(pixels, _project(x, "map17"), name="map17")


def _first() -> keras.Model:
    given = keras.Input(MAPS["map17"])
    return keras.Model(given, _project(_convolve(given, _FIRST, 3, strides=2), "map9"), name="map9")


def _middle() -> keras.Model:
    given = keras.Input(MAPS["map9"])
    x = _project(_depthwise(_convolve(given, _MIDDLE, 1), 3), "sum9")
    return keras.Model(given, layers.Add()([given, x]), name="sum9")


def _last() -> keras.Model:
    given = keras.Input(MAPS["sum9"])
    x = _depthwise(_convolve(given, _LAST, 1), 5, strides=2)
    return keras.Model(given, _project(x, "map5"), name="map5")


def _convolve(x: Any, channels: int, size: int, *, strides: int = 1) -> Any:
    x = layers.Conv2D(
        channels,
        size,
        strides=strides,
        padding="same",
        kernel_initializer="he_normal",
        bias_initializer=_between(),
    )(x)
    return layers.ReLU(6.0)(x)


def _depthwise(x: Any, size: int, *, strides: int = 1) -> Any:
    x = layers.DepthwiseConv2D(
        size,
        strides=strides,
        padding="same",
        depthwise_initializer=keras.initializers.RandomNormal(stddev=1 / size),
        bias_initializer=_between(),
    )(x)
    return layers.ReLU(6.0)(x)


def _between() -> keras.initializers.Initializer:
    """Biases with which most units of standardised inputs are neither always 0 nor always 6."""
    return keras.initializers.RandomUniform(0, 1)


def _project(x: Any, name: str) -> Any:
    return layers.Conv2D(MAPS[name][-1], 1)(x)
