"""Bounds decompression: kombu alone inflates a message to any size."""

import bz2
import lzma
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from kombu import compression

#: A kilobyte of bz2 becomes a gigabyte; images hardly become smaller at all.
_MOST_BYTES: Final = 64 << 20
#: What lzma's highest level needs, and some room.
_MOST_MEMORY: Final = 80 << 20

_DECOMPRESSORS: Final[dict[str, Callable[[], Any]]] = {
    "application/x-gzip": zlib.decompressobj,
    "application/x-bz2": bz2.BZ2Decompressor,
    "application/x-lzma": partial(lzma.LZMADecompressor, memlimit=_MOST_MEMORY),
}


def _decoder(kind: str) -> Callable[[bytes], bytes]:
    def decompress(body: bytes) -> bytes:
        if kind not in _DECOMPRESSORS:
            raise ValueError(f"compressed as {kind}; only {', '.join(_DECOMPRESSORS)} are accepted")
        decompressor = _DECOMPRESSORS[kind]()
        unpacked: bytes = decompressor.decompress(body, _MOST_BYTES)
        if not decompressor.eof:
            raise ValueError(f"it is cut off, or more than {_MOST_BYTES} bytes when unpacked")
        return unpacked

    return decompress


def install() -> None:
    """Bound what kombu knows; others that may be installed (zstandard, brotli) are refused."""
    for kind in compression.encoders():
        encode, _ = compression.get_encoder(kind)
        compression.register(encode, _decoder(kind), kind)
