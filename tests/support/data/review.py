"""A small dataset to review, and the pages: in this process, and as the commands serve them."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from starlette.applications import Starlette

from models.bootstrap import dataset
from tests.support.running.fleet import interruptible
from tilefleet.kind import BUILTIN

#: How sure the label of each of the five pictures is.
CERTAINTIES = (0.99, 0.9, 0.7, 0.5, 0.3)


def write(folder: Path) -> None:
    """Five pictures, of falling certainty."""
    groups = np.arange(8, dtype=np.int32)[np.newaxis] % 5
    labels = np.full((5, len(BUILTIN.labels)), 0.001, np.float32)
    labels[np.arange(5), np.arange(5)] = CERTAINTIES
    pictures = np.lib.format.open_memmap(
        folder / dataset.PICTURES, mode="w+", dtype=np.uint8, shape=(5, 67, 67, 3)
    )
    pictures[:] = np.arange(5)[:, None, None, None] * 50
    pictures.flush()
    dataset.write(folder, labels, pictures, files=("a.jpg",), groups=groups, unreadable=())


class Page:
    """Asks an application, in this process."""

    def __init__(self, application: Starlette) -> None:
        self._transport = httpx.ASGITransport(application)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return asyncio.run(self._ask("GET", path, **options))

    def post(self, path: str, **options: Any) -> httpx.Response:
        return asyncio.run(self._ask("POST", path, **options))

    async def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        base = "http://127.0.0.1"
        async with httpx.AsyncClient(transport=self._transport, base_url=base) as client:
            return await client.request(method, path, **options)


@contextmanager
def serving(
    folder: Path, command: str = "review", *options: str
) -> Iterator[tuple[str, subprocess.Popen]]:
    """``tilefleet models review`` or ``label``: its address, and the process, which may be gone at
    the end."""
    asked = [sys.executable, "-m", "producer.cli", "models", command, str(folder), "--port", "0"]
    asked += options
    with subprocess.Popen(interruptible(asked), stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            told = re.match(r"http://127\.0\.0\.\d:\d+/[\w/-]*", server.stdout.readline())
            assert told is not None
            yield told[0], server
        finally:
            server.kill()
