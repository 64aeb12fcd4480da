"""The words network: uint8 RGB (batch, 28, 176, 3) to float32 (batch, 2, 81) probabilities.

The whole strip in one pass: convolutions until a column's features have seen a whole word, then,
for each of the two words, attention over the columns, so that it does not matter where exactly a
word begins. Class 80 means that there is no such word.
"""

from typing import Any

import keras
from keras import layers

from models.geometry import HEADER_HEIGHT, HEADER_WIDTH
from models.labels import NONE


def build(*, channels: tuple[int, int, int] = (24, 48, 96), dropout: float = 0.1) -> keras.Model:
    """A new network with random weights (set Keras's seed first)."""
    pixels = keras.Input((HEADER_HEIGHT, HEADER_WIDTH, 3), dtype="uint8", name="header")
    x = layers.Rescaling(-1 / 128, offset=1.0, name="scale")(pixels)
    # Headers are grey; ink is positive, so that padding looks like paper.
    x = layers.Conv2D(1, 1, use_bias=False, name="grey")(x)
    first, second, third = channels
    x = _convolve(x, first, 3, strides=2)  # (14, 88)
    x = _convolve(x, second, 3, strides=2)  # (7, 44)
    x = _convolve(x, second, 3)
    x = _convolve(x, third, 3, strides=(2, 1))  # (4, 44)
    # A column each: what stands above one another is one character.
    x = layers.DepthwiseConv2D((4, 1), use_bias=False, name="column")(x)  # (1, 44)
    x = _normalise(x)
    for number in (1, 2):
        y = layers.SeparableConv2D(third, (1, 9), padding="same", use_bias=False)(x)
        x = layers.Add(name=f"wide_{number}")([x, _normalise(y)])
    columns = layers.Reshape((HEADER_WIDTH // 4, third), name="columns")(x)  # (44, 96)
    # Which columns belong to which word follows from where they are and what they show.
    where = layers.Conv1D(2, 15, padding="same", name="where")(columns)
    attention = layers.Softmax(axis=1, name="attention")(where)  # (44, 2)
    words = layers.Dot(axes=1, name="words")([attention, columns])  # (2, 96)
    words = layers.Dropout(dropout)(words)
    heads = [
        layers.Dense(NONE + 1, name=f"word_{number + 1}")(
            layers.Flatten()(layers.Cropping1D((number, 1 - number))(words))
        )
        for number in range(2)
    ]
    scores = layers.Reshape((2, NONE + 1))(layers.Concatenate()(heads))
    probabilities = layers.Softmax(name="probabilities")(scores)
    return keras.Model(pixels, probabilities, name="words")


def _convolve(x: Any, channels: int, size: int, *, strides: int | tuple[int, int] = 1) -> Any:
    x = layers.Conv2D(channels, size, strides=strides, padding="same", use_bias=False)(x)
    return _normalise(x)


def _normalise(x: Any) -> Any:
    return layers.ReLU()(layers.BatchNormalization(momentum=0.98)(x))
