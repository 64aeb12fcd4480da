"""Keras layers that read both words of a header with a network for one word of any size.

The network of Cracking-12306 takes what a word's ink covers, stretched to 57×57. Where the first
word ends depends on its length, so it is cut out three times, as if it had one, two and three
characters, and so is what follows. The length of the word that is read in a cut tells which one is
right: one graph without branches.
"""

from typing import Any

import keras
from keras import ops

from models.networks.layers import CROP_HEIGHT, CROP_Y, OFFSETS, grey
from tilefleet.kind import BUILTIN

#: Height and width of what the network takes.
BOX = 57
#: Where the first word's patch begins in a captcha.
PATCH_X = 117
#: Columns and rows whose inverted greys, 0 to 255, sum up to more than this have ink.
INK = 48.0
#: The greys, inverted, that the network was trained on.
MEAN, DEVIATION = 74.19824782421746, 59.435693003198594
#: A crop whose mean grey, 0 to 1, is above this holds no word. Thin words of one character come up
#: to 0.954, what follows a single word down to 0.9992.
BLANK = 0.98
_WIDTH = max(OFFSETS.values())


@keras.saving.register_keras_serializable(package="tilefleet")
class WordBoxes(keras.layers.Layer):
    """uint8 RGB (batch, 28, 176, 3) to float32 (6 · batch, 57, 57, 1): three first words, three
    seconds.

    A box is what has ink, bilinear as OpenCV's `resize` but not rounded to whole greys.
    """

    def call(self, header: Any) -> Any:
        ink = 255.0 - grey(header)[..., 0]
        top, left = CROP_Y - BUILTIN.layout.header[1], PATCH_X - BUILTIN.layout.header[0]
        strip = ink[:, top : top + CROP_HEIGHT]
        firsts = [_padded(strip[:, :, left : left + offset]) for offset in OFFSETS.values()]
        seconds = [
            strip[:, :, left + offset : left + offset + _WIDTH] for offset in OFFSETS.values()
        ]
        cuts = ops.concatenate([*firsts, *seconds], axis=0)  # (6 · batch, 19, 60)
        rows = _stretch(ops.sum(cuts, axis=2))  # (6 · batch, 57, 19)
        columns = _stretch(ops.sum(cuts, axis=1))  # (6 · batch, 57, 60)
        boxes = ops.matmul(ops.matmul(rows, cuts), ops.transpose(columns, (0, 2, 1)))
        return ops.expand_dims((boxes - MEAN) / DEVIATION, -1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch = input_shape[0]
        return (None if batch is None else 2 * len(OFFSETS) * batch, BOX, BOX, 1)


@keras.saving.register_keras_serializable(package="tilefleet")
class ChooseBoxes(keras.layers.Layer):
    """Crops (4 · batch, 19, 57, 1) as `HeaderCrops` gives them, of which empty ones hold no word,
    and words (6 · batch, labels) in the order of `WordBoxes`, to (batch, 2, labels + 1)."""

    def call(self, crops: Any, words: Any) -> Any:
        count = len(OFFSETS)
        empty = ops.cast(ops.mean(crops, axis=(1, 2)) > BLANK, "float32")  # (4 · batch, 1)
        empty = ops.reshape(empty, (1 + count, -1, 1))
        words = ops.reshape(words, (2 * count, -1, len(BUILTIN.labels)))
        # (3, batch, 1): the best word that is as long as its cut.
        fits = ops.convert_to_tensor(_lengths(), "float32")
        best = ops.max(words[:count] * fits, axis=-1, keepdims=True)
        right = ops.cast(best >= ops.max(best, axis=0, keepdims=True), "float32")
        first = _or_none(ops.sum(words[:count] * right, axis=0), empty[0])
        second = _or_none(
            ops.sum(words[count:] * right, axis=0), ops.sum(empty[1:] * right, axis=0)
        )
        return ops.stack([first, second], axis=1)

    def compute_output_shape(self, crops_shape: Any, words_shape: Any) -> Any:
        batch = words_shape[0]
        return (None if batch is None else batch // (2 * len(OFFSETS)), 2, len(BUILTIN.labels) + 1)


def _padded(cut: Any) -> Any:
    return ops.pad(cut, [(0, 0), (0, 0), (0, _WIDTH - cut.shape[2])])


def _stretch(sums: Any) -> Any:
    """Ink along a side, (batch, side), to the matrix (batch, 57, side) that stretches the part
    with ink, from its first to its last place, to 57; the whole side where there is none."""
    side = sums.shape[1]
    places = ops.arange(side, dtype="float32")
    inked = sums > INK
    first = ops.min(ops.where(inked, places, float(side)), axis=1, keepdims=True)
    end = ops.max(ops.where(inked, places + 1.0, 0.0), axis=1, keepdims=True)
    nothing = end < 1.0
    first, end = ops.where(nothing, 0.0, first), ops.where(nothing, float(side), end)
    middles = (ops.arange(BOX, dtype="float32") + 0.5) / BOX
    at = middles * (end - first) - 0.5 + first  # (batch, 57)
    at = ops.minimum(ops.maximum(at, first), end - 1.0)
    return ops.relu(1.0 - ops.abs(ops.expand_dims(at, 2) - places))


def _lengths() -> list[list[list[float]]]:
    """(3, 1, labels): whether a label has one, two or three characters."""
    return [[[float(len(label) == length) for label in BUILTIN.labels]] for length in OFFSETS]


def _or_none(words: Any, empty: Any) -> Any:
    return ops.concatenate([words * (1.0 - empty), empty], axis=-1)
