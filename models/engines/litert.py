"""LiteRT on the CPU: one captcha a call, because the small call stays in the cache.

A session has interpreters of its own with one thread each; sessions side by side use the cores. The
interpreter gives up the GIL while it computes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.engines.base import NetworkSession
from models.engines.precision import Unreadable, fastest
from models.engines.tile_cache import TileCache
from models.recognition.crops import Crops, padded
from models.recognition.picks import Probabilities
from models.runtimes import idle, litert
from models.runtimes.mapped import Mapped, mapped
from models.store import Entry
from models.store.manifest import INT8, NETWORKS, PRECISIONS, inputs, litert_batch, outputs
from tilefleet.errors import BadManifest
from tilefleet.kind import Kind

#: A pass is a loop here, so a longer one makes nothing cheaper but what comes before and after it,
#: and every captcha in it waits for the last.
MAX_BATCH = 8
#: Where many wait that pays: after each call the networks have taken the processor's caches, and
#: what is done once for a pass begins without them.
LONG_BATCH = 32


#: Network → in which precision it is read, and its LiteRT file.
_Chosen = Mapping[str, tuple[str, Mapped | bytes]]

#: What this process, and what is forked from it, need not read again: a model's files' hashes and
#: the precision that was asked for → what was chosen.
_held: dict[tuple[str, ...], _Chosen] = {}


def networks(entry: Entry, precision: str) -> _Chosen:
    """A model's two LiteRT files, their hashes checked; raises HashMismatch or BadManifest.

    `precision`: float32 or int8, of what has both; auto: the faster one here.
    """
    held = _held.get(_key(entry, precision))
    return held or {network: _choose(entry, network, precision) for network in NETWORKS}


def hold(entry: Entry, precision: str) -> None:
    """Read a model's files once for all processes that are forked from this one."""
    _held[_key(entry, precision)] = networks(entry, precision)


def _key(entry: Entry, precision: str) -> tuple[str, ...]:
    return precision, *(digest for _, digest in sorted(entry.manifest.files.items()))


def _choose(entry: Entry, network: str, precision: str) -> tuple[str, Mapped | bytes]:
    files = _files(entry, network, precision)
    try:
        name = fastest(files)
    except Unreadable as error:
        file = f"{network}.{INT8 if error.name == 'int8' else 'tflite'}"
        raise BadManifest(f"{file} of {entry.identity} cannot be loaded: {error}") from None
    return name, mapped(f"{network}.tflite", files[name])


class LiteRTEngine:
    """A store entry's LiteRT files, one for each network: in int8 where that is the faster."""

    max_sessions = 0
    in_cycles = False

    def __init__(
        self,
        entry: Entry,
        *,
        max_batch: int,
        max_bytes: int,
        precision: str = "auto",
        tile_cache: int = 0,
        beside: bool = False,
    ) -> None:
        """`precision`: float32 or int8, of what has both; auto: the faster one here.

        `tile_cache`: how many pictures of tiles are known again; 0 for none.

        `beside`: another engine is reading in this process, and its captchas go first while
        sessions of this one are warmed.
        """
        self.model = entry.identity
        self.kind = entry.manifest.kind
        self._sharpness = entry.manifest.sharpness
        self.tile_cache = TileCache(tile_cache, self.kind) if tile_cache else None
        self.max_batch = max_batch or MAX_BATCH
        self.long_batch = max_batch or LONG_BATCH
        self._max_bytes = max_bytes
        self._beside = beside
        chosen = networks(entry, precision)
        self._networks = {network: contents for network, (_, contents) in chosen.items()}
        self.precision = ", ".join(f"{network} {name}" for network, (name, _) in chosen.items())
        # Whatever is wrong with the files is better known now than in a session's thread.
        self._first = [self._make()]

    def prepare(self, data: object) -> Crops:
        return Crops.from_bytes(data, self.kind.layout, max_bytes=self._max_bytes)

    def prepare_quickly(self, data: object) -> Crops:
        return Crops.from_bytes(data, self.kind.layout, max_bytes=self._max_bytes, quickly=True)

    def session(self) -> "LiteRTSession":
        try:
            return self._first.pop()
        except IndexError:
            return self._make()

    def _make(self) -> "LiteRTSession":
        session = LiteRTSession(self.model, self.kind, self._networks, sharpness=self._sharpness)
        try:
            if self._beside:
                idle.run(session.warm_up)
            else:
                session.warm_up()
        except (ValueError, RuntimeError) as error:
            raise BadManifest(f"{self.model} cannot read: {error}") from None
        session.tile_cache = self.tile_cache
        return session


def _files(entry: Entry, network: str, precision: str) -> dict[str, bytes]:
    """A network's LiteRT files by their precision, of those that are wanted."""
    manifest = entry.manifest
    if network in manifest.in_int8 and precision != "float32":
        quick = {"int8": entry.read(f"{network}.{INT8}")}
        if precision == "int8":
            return quick
        return {"float32": entry.read(f"{network}.tflite"), **quick}
    kept = "int8" if network in PRECISIONS[manifest.precision] else "float32"
    return {kept: entry.read(f"{network}.tflite")}


class LiteRTSession(NetworkSession):
    """Two interpreters."""

    #: Shared by the sessions of an engine.
    tile_cache: TileCache | None = None

    def __init__(
        self,
        model: str,
        kind: Kind,
        networks: Mapping[str, Mapped | bytes],
        *,
        sharpness: float,
    ) -> None:
        super().__init__(model, kind, sharpness=sharpness)
        self._words = _Network("words", networks["words"], kind)
        self._tiles = _Network("tiles", networks["tiles"], kind)

    def warm_up(self) -> None:
        taken = inputs(self.kind)
        self.words(np.zeros((1, *taken["words"]), np.uint8))
        self.tiles(np.zeros((1, *taken["tiles"]), np.uint8))

    def look(self, batch: Sequence[Crops]) -> tuple[Probabilities, Probabilities]:
        if self.tile_cache is not None:
            return super().look(batch)
        # Each captcha is a call of each network: copied together first, the pictures of a pass are
        # megabytes.
        words = [self._words(crops.header[np.newaxis]) for crops in batch]
        return np.concatenate(words), np.stack([self._tiles(crops.tiles) for crops in batch])

    def words(self, headers: NDArray[np.uint8]) -> Probabilities:
        return self._words(headers)

    def tiles(self, tiles: NDArray[np.uint8]) -> Probabilities:
        if self.tile_cache is not None:
            return self.tile_cache.read(tiles, self._tiles)
        return self._tiles(tiles)


class _Network:
    """One interpreter with its fixed input and output, called as often as the pictures need."""

    def __init__(self, name: str, contents: Mapped | bytes, kind: Kind) -> None:
        try:
            self._interpreter = litert.load(contents)
        except (ValueError, RuntimeError) as error:
            raise BadManifest(f"{name}.tflite cannot be loaded: {error}") from None
        given = self._only(name, self._interpreter.get_input_details())
        wanted = self._only(name, self._interpreter.get_output_details())
        self._batch = litert_batch(kind)[name]
        _check(f"{name}.tflite takes", given, (self._batch, *inputs(kind)[name]), np.uint8)
        _check(f"{name}.tflite gives", wanted, (self._batch, *outputs(kind)[name]), np.float32)
        self._input, self._output = given["index"], wanted["index"]

    @staticmethod
    def _only(name: str, tensors: list[dict[str, Any]]) -> dict[str, Any]:
        if len(tensors) != 1:
            raise BadManifest(f"{name}.tflite has {len(tensors)} inputs or outputs, not 1")
        return tensors[0]

    def __call__(self, pictures: NDArray[np.uint8]) -> Probabilities:
        if len(pictures) == self._batch:
            return self._call(pictures)
        starts = range(0, len(pictures), self._batch)
        parts = [self._call(pictures[start : start + self._batch]) for start in starts]
        return np.concatenate(parts)[: len(pictures)]

    def _call(self, pictures: NDArray[np.uint8]) -> Probabilities:
        self._interpreter.set_tensor(self._input, padded(pictures, self._batch))
        self._interpreter.invoke()
        output: Probabilities = self._interpreter.get_tensor(self._output)
        return output


def _check(what: str, details: Mapping[str, Any], shape: tuple[int, ...], dtype: type) -> None:
    found = (tuple(details["shape"]), details["dtype"])
    if found != (shape, dtype):
        raise BadManifest(f"{what} {found[1]} {found[0]}; expected {dtype.__name__} {shape}")
