"""Importing a legacy pair: two Keras 2 files become one model of the store, or nothing does.

The files are read without running anything of theirs (`legacy_file`), built anew in Keras 3
behind our contract (`networks.legacy_words`, `networks.legacy_tiles`), converted, and then both
the Keras and the LiteRT network are compared with the original weights' own arithmetic, computed
by NumPy (`legacy_arithmetic`) with the legacy programs' own preprocessing.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from models.legacy import file as legacy_file
from models.legacy import reference
from models.legacy.file import LegacyFile
from models.store import Entry, check_free, save
from tilefleet import geometry
from tilefleet.errors import NotANetwork
from tilefleet.labels import LABELS, NONE

if TYPE_CHECKING:
    import keras

#: How far a probability of the converted network may be from the original's.
TOLERANCE: Final = 1e-4
_PICTURES: Final = 32

Pictures = NDArray[np.uint8]
Original = Callable[[LegacyFile, Pictures], NDArray[np.float64]]


def import_pair(
    words: Path,
    tiles: Path,
    *,
    name: str,
    root: Path | None = None,
    replace: bool = False,
    say: Callable[[str], None] = print,
) -> Entry:
    """Store the two legacy networks as the model `name`, and tell what was found by `say`.

    Raises NotANetwork if a file is not such a network, or if the converted one answers
    differently, and ModelError if the name is taken; nothing is stored then.
    """
    if not replace:
        # Better before the work than after it.
        check_free(name, root=root)
    words_file, tiles_file = legacy_file.read(words), legacy_file.read(tiles)
    _check_shape(words_file, (19, 57, 1), "words")
    _check_shape(tiles_file, (geometry.TILE, geometry.TILE, 3), "tiles")
    for file in (words_file, tiles_file):
        say(file.summary())

    from models.legacy import tiles as legacy_tiles
    from models.legacy import words as legacy_words

    networks = {"words": legacy_words.build(words_file), "tiles": legacy_tiles.build(tiles_file)}
    differences = {
        "words": _compare(networks["words"], words_file, _headers(), original_words),
        "tiles": _compare(networks["tiles"], tiles_file, _tiles(), original_tiles),
    }
    for network, found in differences.items():
        say(
            f"{network}: largest difference from the original's arithmetic on {_PICTURES} "
            f"pictures: {found['keras']:.1e} (Keras), {found['litert']:.1e} (LiteRT)"
        )
    entry = save(
        name,
        networks,
        training={
            network: {
                "imported_from": file.path.name,
                "sha256": hashlib.sha256(file.path.read_bytes()).hexdigest(),
                "keras_version": file.keras_version,
            }
            for network, file in (("words", words_file), ("tiles", tiles_file))
        },
        evaluation={"largest_difference_from_original": differences},
        root=root,
        replace=replace,
    )
    say(f"stored as {entry.identity} in {entry.folder}")
    return entry


def _check_shape(file: LegacyFile, expected: tuple[int, int, int], role: str) -> None:
    fits = len(file.input_shape) == 3 and all(
        side in (None, wanted) for side, wanted in zip(file.input_shape, expected, strict=True)
    )
    if not fits or file.input_shape[2] != expected[2]:
        raise NotANetwork(
            f"{file.path} takes pictures of shape {file.input_shape}; "
            f"a {role} network takes {expected} (None: any)"
        )
    if file.classes != len(LABELS):
        raise NotANetwork(f"{file.path} tells {file.classes} classes apart, not {len(LABELS)}")


def original_words(network: LegacyFile, headers: Pictures) -> NDArray[np.float64]:
    """What the legacy programs make of uint8 RGB (batch, 28, 176, 3): float64 (batch, 2, 81)."""
    # OpenCV's integer formula for RGB to grey.
    red, green, blue = (headers[..., channel].astype(np.int64) for channel in range(3))
    grey = ((4899 * red + 9617 * green + 1868 * blue + 8192) >> 14) / 255
    answers = np.zeros((len(headers), 2, NONE + 1))
    for header, answer in zip(grey, answers, strict=True):
        offset = 0
        for word in answer:
            crop = header[3:22, 4 + offset : 61 + offset]
            if crop.mean() > 0.95:
                word[NONE] = 1
            else:
                word[:NONE] = reference.forward(network, crop[None, ..., None])[0]
            first = int(word.argmax())
            offset = 27 if first == NONE else {1: 27, 2: 47, 3: 60}[len(LABELS[first])]
    return answers


def original_tiles(network: LegacyFile, tiles: Pictures) -> NDArray[np.float64]:
    """What the legacy programs make of uint8 RGB (batch, 67, 67, 3): float64 (batch, 80)."""
    blue_first = tiles[..., ::-1].astype(np.float64) - (103.939, 116.779, 123.68)
    return reference.forward(network, blue_first)


def _compare(
    network: "keras.Model", file: LegacyFile, pictures: Pictures, original: Original
) -> dict[str, float]:
    """The largest difference in each runtime; raises NotANetwork above TOLERANCE."""
    expected = original(file, pictures)
    found = {
        "keras": np.asarray(network(pictures, training=False)),
        "litert": _run_litert(network, pictures),
    }
    differences = {}
    for runtime, actual in found.items():
        if actual.shape != expected.shape:
            raise NotANetwork(f"{file.path} gives {actual.shape}, not {expected.shape}")
        differences[runtime] = float(np.abs(actual - expected).max())
        if not differences[runtime] <= TOLERANCE:
            raise NotANetwork(
                f"{file.path}: converted to {runtime}, its probabilities differ from the "
                f"original's by {differences[runtime]:.1e}; at most {TOLERANCE:.0e} is accepted"
            )
    return differences


def _run_litert(network: "keras.Model", pictures: Pictures) -> NDArray[np.float32]:
    from models.runtimes.convert import to_litert
    from models.runtimes.litert import load

    interpreter = load(to_litert(network, 1))
    given, answered = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    answers = []
    for picture in pictures:
        interpreter.set_tensor(given["index"], picture[None])
        interpreter.invoke()
        answers.append(interpreter.get_tensor(answered["index"])[0])
    return np.stack(answers)


def _headers() -> Pictures:
    """White headers with dark strokes, as many of one word as of two, and a few of noise."""
    random = np.random.default_rng(1)
    shape = (_PICTURES, geometry.HEADER_HEIGHT, geometry.HEADER_WIDTH, 3)
    headers = np.full(shape, 255, np.uint8)
    for index, header in enumerate(headers):
        for _ in range(60):
            y, x = random.integers(3, 20), random.integers(6, 60 if index % 2 else 125)
            height, width = random.integers(1, 9, 2)
            header[y : y + height, x : x + width] = random.integers(0, 160, 3)
    headers[-4:] = random.integers(0, 256, (4, *shape[1:]))
    return headers


def _tiles() -> Pictures:
    """Blocks of colour from coarse to fine, and noise."""
    random = np.random.default_rng(2)
    side = geometry.TILE
    tiles = []
    for index in range(_PICTURES):
        cell = (1, 3, 7, 20, 67)[index % 5]
        cells = -(-side // cell)
        blocks: NDArray[Any] = random.integers(0, 256, (cells, cells, 3), np.uint8)
        tiles.append(blocks.repeat(cell, axis=0).repeat(cell, axis=1)[:side, :side])
    return np.stack(tiles)
