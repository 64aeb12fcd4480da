"""The words network: uint8 RGB (batch, h, w, 3) to float32 (batch, words, labels + 1)
probabilities.

The whole strip in one pass, both words at once: convolutions until each column has seen a
character and its neighbours, then one dense layer over the columns. The last class means that there
is no such word.

Words of the built-in's headers begin at about the same places. Where they begin anywhere, columns
see further, until a word is in one, and what is strongest in the strip and in parts of it tells
which words there are and in what order.
"""

from typing import Any

import keras
from keras import layers

from tilefleet.kind import BUILTIN, Kind

#: Parts of a strip, of which two neighbours each are looked at by themselves.
_PARTS = 5


def build(kind: Kind = BUILTIN) -> keras.Model:
    """A new network with random weights (set Keras's seed first) for that kind's headers; the sizes
    beside the layers are those of the built-in's."""
    if kind.layout.header != BUILTIN.layout.header:
        return _build_anywhere(kind)
    words, classes = kind.layout.words, kind.none + 1
    pixels = keras.Input((*kind.layout.header_shape, 3), dtype="uint8", name="header")
    # Ink is positive, so that padding looks like paper.
    x = layers.Rescaling(-1 / 128, offset=1.0, name="scale")(pixels)
    x = _convolve(x, 24, 3, strides=2)  # (14, 88)
    x = _convolve(x, 40, 3, strides=2)  # (7, 44)
    x = layers.Add()([x, _convolve(x, 40, 3)])
    x = _convolve(x, 64, 3, strides=(2, 1))  # (4, 44)
    x = layers.Add()([x, _convolve(x, 64, 3)])
    # A column each: what stands above one another is one character.
    x = _convolve(x, 112, (x.shape[1], 3), padding="valid")  # (1, 42)
    x = _convolve(x, 112, (1, 5), strides=(1, 2))  # (1, 21)
    x = _convolve(x, 32, 1)
    # Words begin at about the same places, so what stands where says which word it belongs to.
    x = layers.Flatten(name="places")(x)
    x = _normalise(layers.Dense(192, use_bias=False, name="strip")(x))
    return _answered(pixels, x, words, classes)


def _build_anywhere(kind: Kind) -> keras.Model:
    pixels = keras.Input((*kind.layout.header_shape, 3), dtype="uint8", name="header")
    x = layers.Rescaling(-1 / 128, offset=1.0, name="scale")(pixels)
    x = _convolve(x, 24, 3, strides=2)
    x = _convolve(x, 40, 3, strides=2)
    x = _convolve(x, 64, 3, strides=(2, 1))
    x = _convolve(x, 96, (x.shape[1], 3), padding="valid")
    # Every other column, of eight pixels then; two more such steps see some eighty.
    x = _convolve(x, 128, (1, 5), strides=(1, 2))
    x = layers.Add()([x, _convolve(x, 128, (1, 5))])
    x = layers.Reshape(x.shape[2:])(x)
    columns = int(x.shape[1])
    parts = [layers.GlobalMaxPooling1D()(x)]
    if kind.layout.words > 1 and columns >= 2 * _PARTS:
        wide = -(-columns // _PARTS) * 2
        for part in range(_PARTS - 1):
            start = min(columns - wide, part * columns // _PARTS)
            cut = layers.Cropping1D((start, columns - wide - start))(x)
            parts.append(layers.GlobalMaxPooling1D()(cut))
    x = layers.Concatenate()(parts) if len(parts) > 1 else parts[0]
    x = _normalise(layers.Dense(192, use_bias=False, name="strip")(x))
    return _answered(pixels, x, kind.layout.words, kind.none + 1)


def _answered(pixels: Any, x: Any, words: int, classes: int) -> keras.Model:
    x = layers.Dense(words * classes, name="words")(x)
    scores = layers.Reshape((words, classes), name="scores")(x)
    probabilities = layers.Softmax(name="probabilities")(scores)
    return keras.Model(pixels, probabilities, name="words")


def _convolve(
    x: Any,
    channels: int,
    size: int | tuple[int, int],
    *,
    strides: int | tuple[int, int] = 1,
    padding: str = "same",
) -> Any:
    return _normalise(
        layers.Conv2D(channels, size, strides=strides, padding=padding, use_bias=False)(x)
    )


def _normalise(x: Any) -> Any:
    return layers.ReLU()(layers.BatchNormalization(momentum=0.98)(x))
