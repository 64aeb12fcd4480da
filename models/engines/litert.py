"""LiteRT on the CPU: one captcha a call, because the small call stays in the cache.

A session has interpreters of its own with one thread each; sessions side by side use the cores. The
interpreter gives up the GIL while it computes.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.engines.base import NetworkSession
from models.engines.tile_cache import TileCache
from models.recognition.crops import Crops
from models.recognition.decision import Probabilities
from models.runtimes import idle, litert
from models.runtimes.mapped import Mapped, mapped
from models.store import Entry
from models.store.manifest import LITERT_BATCH, NETWORKS, OUTPUTS
from tilefleet.errors import BadManifest

#: A pass is a loop here, so a longer one makes nothing cheaper but the writing of answers, and
#: every captcha in it waits for the last.
MAX_BATCH = 8


#: Models that this process, and what is forked from it, need not read again: their files' hashes →
#: their networks.
_held: dict[tuple[str, ...], Mapping[str, Mapped | bytes]] = {}


def networks(entry: Entry) -> Mapping[str, Mapped | bytes]:
    """A model's two LiteRT files, their hashes checked; raises HashMismatch or BadManifest."""
    held = _held.get(_hashes(entry))
    return held or {
        network: mapped(f"{network}.tflite", entry.read(f"{network}.tflite"))
        for network in NETWORKS
    }


def hold(entry: Entry) -> None:
    """Read a model's files once for all processes that are forked from this one."""
    _held[_hashes(entry)] = networks(entry)


def _hashes(entry: Entry) -> tuple[str, ...]:
    return tuple(entry.manifest.files[f"{network}.tflite"] for network in NETWORKS)


class LiteRTEngine:
    """A store entry's two LiteRT files."""

    max_sessions = 0
    in_cycles = False

    def __init__(
        self,
        entry: Entry,
        *,
        max_batch: int,
        max_bytes: int,
        tile_cache: int = 0,
        beside: bool = False,
    ) -> None:
        """`tile_cache`: how many pictures of tiles are known again; 0 for none.

        `beside`: another engine is reading in this process, and its captchas go first while
        sessions of this one are warmed.
        """
        self.model = entry.identity
        self._sharpness = entry.manifest.sharpness
        self.tile_cache = TileCache(tile_cache) if tile_cache else None
        self.max_batch = max_batch or MAX_BATCH
        self._max_bytes = max_bytes
        self._beside = beside
        self._networks = networks(entry)
        # Whatever is wrong with the files is better known now than in a session's thread.
        self._first = [self._make()]

    def prepare(self, data: object) -> Crops:
        return Crops.from_bytes(data, max_bytes=self._max_bytes)

    def session(self) -> "LiteRTSession":
        try:
            return self._first.pop()
        except IndexError:
            return self._make()

    def _make(self) -> "LiteRTSession":
        session = LiteRTSession(self.model, self._networks, sharpness=self._sharpness)
        try:
            if self._beside:
                idle.run(session.warm_up)
            else:
                session.warm_up()
        except (ValueError, RuntimeError) as error:
            raise BadManifest(f"{self.model} cannot read: {error}") from None
        session.tile_cache = self.tile_cache
        return session


class LiteRTSession(NetworkSession):
    """Two interpreters."""

    #: Shared by the sessions of an engine.
    tile_cache: TileCache | None = None

    def __init__(
        self, model: str, networks: Mapping[str, Mapped | bytes], *, sharpness: float
    ) -> None:
        super().__init__(model, sharpness=sharpness)
        self._words = _Network("words", networks["words"])
        self._tiles = _Network("tiles", networks["tiles"])

    def warm_up(self) -> None:
        self.infer(
            np.zeros((1, *NETWORKS["words"]), np.uint8),
            np.zeros((1, 8, *NETWORKS["tiles"]), np.uint8),
        )

    def infer(
        self, headers: NDArray[np.uint8], tiles: NDArray[np.uint8]
    ) -> tuple[Probabilities, Probabilities]:
        words = np.concatenate([self._words(header[np.newaxis]) for header in headers])
        if self.tile_cache is not None:
            return words, self.tile_cache.read(tiles, self._tiles)
        return words, np.stack([self._tiles(eight) for eight in tiles])


class _Network:
    """One interpreter with its fixed input and output."""

    def __init__(self, name: str, contents: Mapped | bytes) -> None:
        try:
            self._interpreter = litert.load(contents)
        except (ValueError, RuntimeError) as error:
            raise BadManifest(f"{name}.tflite cannot be loaded: {error}") from None
        given = self._only(name, self._interpreter.get_input_details())
        wanted = self._only(name, self._interpreter.get_output_details())
        batch = LITERT_BATCH[name]
        _check(f"{name}.tflite takes", given, (batch, *NETWORKS[name]), np.uint8)
        _check(f"{name}.tflite gives", wanted, (batch, *OUTPUTS[name]), np.float32)
        self._input, self._output = given["index"], wanted["index"]

    @staticmethod
    def _only(name: str, tensors: list[dict[str, Any]]) -> dict[str, Any]:
        if len(tensors) != 1:
            raise BadManifest(f"{name}.tflite has {len(tensors)} inputs or outputs, not 1")
        return tensors[0]

    def __call__(self, pictures: NDArray[np.uint8]) -> Probabilities:
        self._interpreter.set_tensor(self._input, pictures)
        self._interpreter.invoke()
        output: Probabilities = self._interpreter.get_tensor(self._output)
        return output


def _check(what: str, details: Mapping[str, Any], shape: tuple[int, ...], dtype: type) -> None:
    found = (tuple(details["shape"]), details["dtype"])
    if found != (shape, dtype):
        raise BadManifest(f"{what} {found[1]} {found[0]}; expected {dtype.__name__} {shape}")
