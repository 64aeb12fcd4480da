"""Importing legacy networks: Keras 2 files become one model of the store, or nothing does.

The files are read without running anything of theirs (`file`), built anew in Keras 3 behind our
contract (`words`, `tiles`), converted, and then both the Keras and the LiteRT network are compared
with the original weights' own arithmetic, computed by NumPy (`originals`, `reference`) with the
legacy programs' own preprocessing.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from models.legacy import file as legacy_file
from models.legacy import originals
from models.legacy.network import Family, LegacyFile
from models.legacy.originals import Pictures
from models.store import Entry, check_free, find, load_network, save
from models.store.manifest import NETWORKS
from tilefleet.errors import ModelError, NotANetwork
from tilefleet.kind import BUILTIN

if TYPE_CHECKING:
    import keras

#: How far a probability of the converted network may be from the original's.
TOLERANCE: Final = 1e-4
_PICTURES: Final = 32
#: Every how many of the pictures are computed: NumPy takes seconds for one of the second family.
_EVERY: Final[Mapping[Family, int]] = {"easy12306": 1, "cracking-12306": 3}

#: What a network of a family takes: height, width, channels.
_SHAPES: Final[Mapping[tuple[str, Family], tuple[int, int, int]]] = {
    ("words", "easy12306"): (19, 57, 1),
    ("tiles", "easy12306"): (*BUILTIN.layout.tile_shape, 3),
    ("words", "cracking-12306"): (57, 57, 1),
    ("tiles", "cracking-12306"): (56, 56, 3),
}


def import_networks(
    words: Path | None,
    tiles: Sequence[Path],
    *,
    name: str,
    root: Path | None = None,
    replace: bool = False,
    say: Callable[[str], None] = print,
) -> Entry:
    """Store legacy networks as the model `name`, and tell what was found by `say`.

    Several tiles networks become one, the mean of their answers: of each family's, then of the
    families. Without a words network, or without a tiles network, the built-in one is stored beside
    what is imported. Raises NotANetwork if a file is not such a network, or if the converted one
    answers differently, and ModelError if there is no file or the name is taken; nothing is stored
    then.
    """
    if words is None and not tiles:
        raise ModelError("neither a words network nor a tiles network to import")
    if not replace:
        # Better before the work than after it.
        check_free(name, root=root)
    files: dict[str, list[LegacyFile]] = {}
    if words is not None:
        files["words"] = [legacy_file.read(words)]
    if tiles:
        files["tiles"] = [legacy_file.read(path) for path in tiles]
    for network, read in files.items():
        for file in read:
            _check_shape(file, _SHAPES[network, file.family], network)
            say(file.summary())

    from models.legacy import tiles as legacy_tiles
    from models.legacy import words as legacy_words

    networks: dict[str, keras.Model] = {}
    differences: dict[str, dict[str, float]] = {}
    for network, read in files.items():
        every = max(_EVERY[file.family] for file in read)
        if network == "words":
            networks[network] = legacy_words.build(read[0])
            pictures = _headers()[::every]
            expected = originals.words(read[0], pictures)
        else:
            networks[network] = legacy_tiles.build(read)
            pictures = _tiles()[::every]
            expected = originals.tiles(read, pictures)
        described = ", ".join(str(file.path) for file in read)
        differences[network] = found = _compare(networks[network], pictures, expected, described)
        say(
            f"{network}: largest difference from the original's arithmetic on {len(pictures)} "
            f"pictures: {found['keras']:.1e} (Keras), {found['litert']:.1e} (LiteRT)"
        )
    training: dict[str, Any] = {network: _origin(read) for network, read in files.items()}
    for network in set(NETWORKS) - set(files):
        kept = find("builtin", root=root)
        networks[network] = load_network(kept, network)
        training[network] = kept.manifest.training.get(network)
        say(f"{network}: that of {kept.identity}")
    entry = save(
        name,
        networks,
        training=training,
        evaluation={"largest_difference_from_original": differences},
        root=root,
        replace=replace,
    )
    say(f"stored as {entry.identity} in {entry.folder}")
    return entry


def _origin(files: Sequence[LegacyFile]) -> dict[str, str]:
    """What a manifest tells of a network: of several files, one after the other."""
    origins = [
        {
            "imported_from": file.path.name,
            "sha256": hashlib.sha256(file.path.read_bytes()).hexdigest(),
            "keras_version": file.keras_version,
        }
        for file in files
    ]
    return {key: ", ".join(origin[key] for origin in origins) for key in origins[0]}


def _check_shape(file: LegacyFile, expected: tuple[int, int, int], role: str) -> None:
    fits = len(file.input_shape) == 3 and all(
        side in (None, wanted) for side, wanted in zip(file.input_shape, expected, strict=True)
    )
    if not fits or file.input_shape[2] != expected[2]:
        raise NotANetwork(
            f"{file.path} takes pictures of shape {file.input_shape}; "
            f"a {role} network takes {expected} (None: any)"
        )
    if file.classes != len(BUILTIN.labels):
        raise NotANetwork(
            f"{file.path} tells {file.classes} classes apart, not {len(BUILTIN.labels)}"
        )


def _compare(
    network: "keras.Model", pictures: Pictures, expected: NDArray[np.float64], files: str
) -> dict[str, float]:
    """The largest difference in each runtime; raises NotANetwork above TOLERANCE."""
    found = {
        "keras": np.asarray(network(pictures, training=False)),
        "litert": _run_litert(network, pictures),
    }
    differences = {}
    for runtime, actual in found.items():
        if actual.shape != expected.shape:
            raise NotANetwork(f"{files} gives {actual.shape}, not {expected.shape}")
        differences[runtime] = float(np.abs(actual - expected).max())
        if not differences[runtime] <= TOLERANCE:
            raise NotANetwork(
                f"{files}: converted to {runtime}, its probabilities differ from the "
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
    shape = (_PICTURES, *BUILTIN.layout.header_shape, 3)
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
    side = BUILTIN.layout.tile[0]
    tiles = []
    for index in range(_PICTURES):
        cell = (1, 3, 7, 20, 67)[index % 5]
        cells = -(-side // cell)
        blocks: NDArray[Any] = random.integers(0, 256, (cells, cells, 3), np.uint8)
        tiles.append(blocks.repeat(cell, axis=0).repeat(cell, axis=1)[:side, :side])
    return np.stack(tiles)
