"""Captchas to what the rest works with: the words of each header, and a signature of each tile.

The files are read once, in parts that are kept on disk, so that a scan that was cut off goes on.
Pixels are not kept: of 100,000 captchas they would be 11 GB.
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import local
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bootstrap.signatures import Signature
from models.datasets.own import DRAWN, SUFFIXES
from models.recognition.crops import Crops
from models.runtimes import litert
from models.store import Entry
from tilefleet.errors import BadCollection, BadRequest
from tilefleet.files import atomic_write, read_file
from tilefleet.layout import Layout

#: Captchas in a part.
_PART = 1_000
#: Tasks handed to a thread at once.
_CHUNK = 16
_MAX_BYTES = 2 << 20


@dataclass(frozen=True, slots=True)
class Scan:
    """What was read."""

    #: Names of the readable files, in the order of the rows below.
    files: tuple[str, ...]
    #: int16 (captchas, 2), the kind's `none` for no second word, and float32, how sure of them.
    words: NDArray[np.int16]
    confidence: NDArray[np.float32]
    #: float16 (captchas · tiles, d).
    signatures: NDArray[np.float16]
    #: (file, what is wrong with it).
    unreadable: tuple[tuple[str, str], ...]

    def __len__(self) -> int:
        return len(self.files)


def names(folder: Path) -> list[str]:
    """The pictures of a folder, in order."""
    with os.scandir(folder) as found:
        return sorted(
            each.name
            for each in found
            if os.path.splitext(each.name)[1].lower() in SUFFIXES  # noqa: PTH122
            and each.name != DRAWN
        )


def scan(
    folder: Path,
    kept: Path,
    *,
    words: Entry,
    signature: Signature,
    tick: Callable[[int, int], None] | None = None,
) -> Scan:
    """Read every captcha of `folder` with the words network of the model `words`.

    `kept`: folder for the parts; those that are there are not read again. `tick` is told how many
    captchas are done, and of how many. Raises BadCollection if there is none that can be read.
    """
    files = names(folder)
    if not files:
        raise BadCollection(f"{folder} has no pictures ({', '.join(sorted(SUFFIXES))})")
    kept.mkdir(parents=True, exist_ok=True)
    layout = words.manifest.kind.layout
    headers = _Headers(words)

    def read(name: str) -> tuple[Any, ...] | str:
        try:
            crops = Crops.from_bytes(read_file(folder / name), layout, max_bytes=_MAX_BYTES)
        except (BadRequest, OSError) as error:
            return f"{type(error).__name__}: {error}"
        return (*headers(crops.header), signature(crops.tiles).astype(np.float16))

    parts = [files[start : start + _PART] for start in range(0, len(files), _PART)]
    done = 0
    with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="scan") as threads:
        for number, part in enumerate(parts):
            path = kept / f"{number:05d}.npz"
            if not path.exists():
                _keep(path, part, list(_map(threads, read, part)))
            done += len(part)
            if tick:
                tick(done, len(files))
    found = [_load(kept / f"{number:05d}.npz") for number in range(len(parts))]
    unreadable = tuple(each for _, bad in found for each in bad)
    readable = tuple(name for arrays, _ in found for name in arrays["files"].tolist())
    if not readable:
        file, why = unreadable[0]
        raise BadCollection(
            f"none of the {len(files)} files in {folder} is a captcha; {file}: {why}"
        )
    joined = {
        name: np.concatenate([arrays[name] for arrays, _ in found if len(arrays["files"])])
        for name in ("words", "confidence", "signatures")
    }
    return Scan(readable, unreadable=unreadable, **joined)


def tiles(
    folder: Path, places: Sequence[tuple[str, int]], layout: Layout
) -> Iterator[NDArray[np.uint8]]:
    """Pixels of tiles, uint8 (h, w, 3), given files and tiles from 0, in order of the files."""
    last, crops = "", None
    for name, tile in places:
        if name != last:
            crops = Crops.from_bytes(read_file(folder / name), layout, max_bytes=_MAX_BYTES)
            last = name
        assert crops is not None
        yield crops.tiles[tile]


class _Headers:
    """The words network, an interpreter for each thread."""

    def __init__(self, entry: Entry) -> None:
        self._contents = entry.read("words.tflite")
        self._none = entry.manifest.kind.none
        self._own = local()

    def __call__(self, header: NDArray[np.uint8]) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
        """uint8 (h, w, 3) to two words and how sure of each; that there is no second one is certain
        where headers never have one."""
        if not hasattr(self._own, "interpreter"):
            self._own.interpreter = litert.load(self._contents)
        network = self._own.interpreter
        network.set_tensor(network.get_input_details()[0]["index"], header[np.newaxis])
        network.invoke()
        # (1, words, labels + 1)
        (found,) = network.get_tensor(network.get_output_details()[0]["index"])
        first = int(found[0, : self._none].argmax())
        if len(found) == 1:
            words = np.array([first, self._none], np.int16)
            return words, np.array([found[0, first], 1], np.float32)
        words = np.array([first, int(found[1].argmax())], np.int16)
        return words, found[[0, 1], words].astype(np.float32)


def _map(
    threads: ThreadPoolExecutor, read: Callable[[str], Any], files: Sequence[str]
) -> Iterator[Any]:
    chunks = [files[start : start + _CHUNK] for start in range(0, len(files), _CHUNK)]
    for outcomes in threads.map(lambda chunk: [read(name) for name in chunk], chunks):
        yield from outcomes


def _keep(path: Path, files: Sequence[str], outcomes: Sequence[Any]) -> None:
    good = [
        (name, *outcome)
        for name, outcome in zip(files, outcomes, strict=True)
        if not isinstance(outcome, str)
    ]
    bad = [
        (name, outcome)
        for name, outcome in zip(files, outcomes, strict=True)
        if isinstance(outcome, str)
    ]
    empty = np.zeros(0)
    with atomic_write(path) as file:
        np.savez(
            file,
            files=np.array([each[0] for each in good], dtype=str),
            words=np.stack([each[1] for each in good]) if good else empty,
            confidence=np.stack([each[2] for each in good]) if good else empty,
            signatures=np.concatenate([each[3] for each in good]) if good else empty,
            unreadable=np.array(json.dumps(bad, ensure_ascii=False)),
        )


def _load(path: Path) -> tuple[dict[str, NDArray[Any]], list[tuple[str, str]]]:
    with np.load(path, allow_pickle=False) as arrays:
        bad = json.loads(str(arrays["unreadable"]))
        return (
            {name: arrays[name] for name in ("files", "words", "confidence", "signatures")},
            [(file, why) for file, why in bad],
        )
