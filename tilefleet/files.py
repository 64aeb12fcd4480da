"""Files that are there whole or not at all, also when the machine goes down meanwhile."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


@contextmanager
def atomic_write(path: Path, *, text: bool = False) -> Iterator[IO[Any]]:
    """A file to write that takes the place of `path` at the end; if that is not reached, never.

    `text`: UTF-8 with line ends as they are given, else bytes. Raises OSError.
    """
    draft = path.with_name(f".{path.name}.draft")
    kind: dict[str, Any] = {"encoding": "utf-8", "newline": ""} if text else {}
    with draft.open("w" if text else "wb", **kind) as file:
        yield file
        file.flush()
        # Before the name: else it may outlive a crash without its contents.
        os.fsync(file.fileno())
    draft.replace(path)
