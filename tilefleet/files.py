"""Files that are there whole or not at all, also when the machine goes down meanwhile."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any


@contextmanager
def atomic_write(path: Path, *, text: bool = False, private: bool = False) -> Iterator[IO[Any]]:
    """A file to write that takes the place of `path` at the end; if that is not reached, never.

    `text`: UTF-8 with line ends as they are given, else bytes. `private`: for its owner only, as
    long as it is written too. One that was there keeps its owner, group and mode, as far as this
    process may give them, and a link goes on leading to it. Raises OSError.
    """
    with suppress(FileNotFoundError):
        # Links that lead to one another are an OSError here, and in `resolve` a RuntimeError.
        path.stat()
    path = path.resolve()
    draft = path.with_name(f".{path.name}.draft")
    kind: dict[str, Any] = {"encoding": "utf-8", "newline": ""} if text else {}

    def opener(name: str, flags: int) -> int:
        # One that a killed process left may have other rights.
        Path(name).unlink(missing_ok=True)
        return os.open(name, flags | os.O_EXCL, 0o600 if private else 0o666)

    with open(draft, "w" if text else "wb", opener=opener, **kind) as file:
        try:
            yield file
            file.flush()
            with suppress(FileNotFoundError):
                _take_rights(file.fileno(), path.stat())
            # Before the name: else it may outlive a crash without its contents.
            os.fsync(file.fileno())
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    draft.replace(path)


def _take_rights(file: int, of: os.stat_result) -> None:
    with suppress(PermissionError):
        os.fchown(file, of.st_uid, of.st_gid)
        # Only then: another group may not read what this one may.
        os.fchmod(file, stat.S_IMODE(of.st_mode))
