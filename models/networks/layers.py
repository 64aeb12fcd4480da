"""Keras layers of our own, which loading a ``.keras`` file finds by their registered names.

They read two words with a network for one. The legacy networks read one word from a 19×57 crop.
Where the second word's crop is depends on how long the first word is, so all three places are
read, stacked into the batch with the first word's, and the first word's length chooses among
them: one graph without branches.
"""

from typing import Any

import keras
from keras import ops

from tilefleet.kind import BUILTIN

CROP_HEIGHT, CROP_WIDTH = 19, 57
#: Where the first word's crop begins in a captcha.
CROP_X, CROP_Y = 120, 3
#: How much further right the second word begins, by the number of the first one's characters.
OFFSETS = {1: 27, 2: 47, 3: 60}
#: OpenCV's weights of red, green and blue, in 1/16384.
GREY = (4899.0, 9617.0, 1868.0)
#: A crop whose mean grey, 0 to 1, is above this holds no word.
EMPTY = 0.95


@keras.saving.register_keras_serializable(package="tilefleet")
class HeaderCrops(keras.layers.Layer):
    """uint8 RGB (batch, 28, 176, 3) to grey 0…1 (4 · batch, 19, 57, 1): first word, then three
    places of the second."""

    def call(self, header: Any) -> Any:
        shades = grey(header) / 255.0
        top, left = CROP_Y - BUILTIN.layout.header[1], CROP_X - BUILTIN.layout.header[0]
        crops = [
            shades[:, top : top + CROP_HEIGHT, left + offset : left + offset + CROP_WIDTH]
            for offset in (0, *OFFSETS.values())
        ]
        return ops.concatenate(crops, axis=0)

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch = input_shape[0]
        return (None if batch is None else 4 * batch, CROP_HEIGHT, CROP_WIDTH, 1)


@keras.saving.register_keras_serializable(package="tilefleet")
class ChooseWords(keras.layers.Layer):
    """Crops (4 · batch, 19, 57, 1) and words (4 · batch, labels) to (batch, 2, labels + 1)."""

    def call(self, crops: Any, words: Any) -> Any:
        empty = ops.cast(ops.mean(crops, axis=(1, 2)) > EMPTY, "float32")  # (4 · batch, 1)
        words = ops.concatenate([words * (1.0 - empty), empty], axis=-1)  # (4 · batch, 81)
        words = ops.reshape(words, (4, -1, len(BUILTIN.labels) + 1))
        first = words[0]
        # (batch, classes) one-hot, times (classes, 3): at which of three places the second word is.
        longest = ops.cast(first >= ops.max(first, axis=-1, keepdims=True), "float32")
        place = ops.matmul(longest, ops.convert_to_tensor(_places(), "float32"))
        second = sum(words[1 + index] * place[:, index : index + 1] for index in range(3))
        return ops.stack([first, second], axis=1)

    def compute_output_shape(self, crops_shape: Any, words_shape: Any) -> Any:
        batch = words_shape[0]
        return (None if batch is None else batch // 4, 2, len(BUILTIN.labels) + 1)


def grey(pixels: Any) -> Any:
    """uint8 RGB (…, 3) to grey 0 to 255, float32 (…, 1).

    The value is OpenCV's, to the last digit: its integer formula fits into float32's 24 bits.
    """
    weighted = ops.cast(pixels, "float32") * ops.convert_to_tensor(GREY, "float32")
    return ops.floor((ops.sum(weighted, axis=-1, keepdims=True) + 8192.0) / 16384.0)


def _places() -> list[list[float]]:
    """A row per class of the first word; an empty first crop is followed as by one character."""
    lengths = [*map(len, BUILTIN.labels), min(OFFSETS)]
    return [[float(length == characters) for characters in OFFSETS] for length in lengths]
