"""What the legacy programs make of pictures, from pixels to probabilities, in NumPy alone.

Written from those programs' own preprocessing and sharing nothing with the conversion. Of
Cracking-12306 the places of the words are ours, not found by edges, and the stretched words are
not rounded to whole greys.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.legacy import reference
from models.legacy.network import LegacyFile
from tilefleet.kind import BUILTIN

Pictures = NDArray[np.uint8]
Answers = NDArray[np.float64]

#: Where a second word begins, by the number of the first one's characters.
_OFFSETS: Final = {1: 27, 2: 47, 3: 60}
#: Pictures at once: the windows of a layer, in float64, are what costs memory.
_AT_ONCE: Final = 4


def words(network: LegacyFile, headers: Pictures) -> Answers:
    """uint8 RGB (batch, 28, 176, 3) to float64 (batch, 2, 81)."""
    read = _stretched_words if network.family == "cracking-12306" else _cropped_words
    return np.stack([read(network, grey) for grey in _grey(headers)])


def tiles(networks: Sequence[LegacyFile], tiles: Pictures) -> Answers:
    """uint8 RGB (batch, 67, 67, 3) to float64 (batch, 80): the mean of each family's networks, then
    of the families."""
    answers: dict[str, list[Answers]] = {}
    for network in networks:
        read = _middle_tiles if network.family == "cracking-12306" else _whole_tiles
        answers.setdefault(network.family, []).append(read(network, tiles))
    families = [np.mean(each, axis=0) for each in answers.values()]
    return np.asarray(np.mean(families, axis=0))


def _cropped_words(network: LegacyFile, grey: NDArray[np.int64]) -> Answers:
    shades = grey / 255
    answer = np.zeros((2, BUILTIN.none + 1))
    offset = 0
    for word in answer:
        crop = shades[3:22, 4 + offset : 61 + offset]
        if crop.mean() > 0.95:
            word[BUILTIN.none] = 1
        else:
            word[: BUILTIN.none] = reference.forward(network, crop[None, ..., None])[0]
        first = int(word.argmax())
        offset = 27 if first == BUILTIN.none else _OFFSETS[len(BUILTIN.labels[first])]
    return answer


def _stretched_words(network: LegacyFile, grey: NDArray[np.int64]) -> Answers:
    """The first word is the one that is as long as the cut that it is read in."""
    ends = {length: 1 + offset for length, offset in _OFFSETS.items()}
    read = {length: _stretched_word(network, grey[3:22, 1:end]) for length, end in ends.items()}
    surest = {
        length: max(
            read[length][index]
            for index in range(BUILTIN.none)
            if len(BUILTIN.labels[index]) == length
        )
        for length in _OFFSETS
    }
    right = max(_OFFSETS, key=lambda length: surest[length])
    answer = np.zeros((2, BUILTIN.none + 1))
    for index, word in enumerate(answer):
        place = 4 + index * _OFFSETS[right]
        if grey[3:22, place : place + 57].mean() > 0.98 * 255:
            word[BUILTIN.none] = 1
        elif index == 0:
            word[: BUILTIN.none] = read[right]
        else:
            word[: BUILTIN.none] = _stretched_word(
                network, grey[3:22, ends[right] : ends[right] + 60]
            )
    return answer


def _stretched_word(network: LegacyFile, grey: NDArray[np.int64]) -> Answers:
    box = 255 - grey
    rows, columns = (np.flatnonzero(box.sum(axis=axis) > 48) for axis in (1, 0))
    if len(rows):
        box = box[rows[0] : rows[-1] + 1]
    if len(columns):
        box = box[:, columns[0] : columns[-1] + 1]
    picture = (_resized(_resized(box, 0), 1) - 74.19824782421746) / 59.435693003198594
    return np.asarray(_by_name(reference.forward(network, picture[None, ..., None]))[0])


def _resized(picture: NDArray[Any], axis: int) -> Answers:
    """To 57 places along an axis, linear, as OpenCV places them: the middles of pixels count."""
    side = picture.shape[axis]
    at = np.clip((np.arange(57) + 0.5) * side / 57 - 0.5, 0, side - 1)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, side - 1)
    part = np.expand_dims(at - low, 1 - axis)
    mixed = picture.take(low, axis) * (1 - part) + picture.take(high, axis) * part
    return np.asarray(mixed, np.float64)


def _whole_tiles(network: LegacyFile, tiles: Pictures) -> Answers:
    blue_first = tiles[..., ::-1].astype(np.float64)
    return _in_parts(network, blue_first - (103.939, 116.779, 123.68))


def _middle_tiles(network: LegacyFile, tiles: Pictures) -> Answers:
    blue_first = tiles[:, 5:61, 5:61, ::-1].astype(np.float64)
    centred = blue_first - (154.647, 163.988, 175.110)
    return _by_name(_in_parts(network, centred / (88.222, 82.464, 78.506)))


def _in_parts(network: LegacyFile, pictures: Answers) -> Answers:
    parts = range(0, len(pictures), _AT_ONCE)
    return np.concatenate(
        [reference.forward(network, pictures[start : start + _AT_ONCE]) for start in parts]
    )


def _by_name(answers: Answers) -> Answers:
    """From Cracking-12306's order of the classes, Unicode's, to that of BUILTIN.labels."""
    column = {label: index for index, label in enumerate(sorted(BUILTIN.labels))}
    return answers[:, [column[label] for label in BUILTIN.labels]]


def _grey(pictures: Pictures) -> NDArray[np.int64]:
    """OpenCV's integer formula for RGB to grey."""
    red, green, blue = (pictures[..., channel].astype(np.int64) for channel in range(3))
    return np.asarray((4899 * red + 9617 * green + 1868 * blue + 8192) >> 14)
