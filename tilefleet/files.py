"""Files that are there whole or not at all, also when the machine goes down meanwhile; and those of
others, which may be anything."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final

#: Bytes of a picture of somebody's that are read at most, far above what may be a captcha.
MOST_PICTURE: Final = 64 << 20


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


@contextmanager
def open_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to read; raises OSError, also for a pipe or a device."""
    # A pipe without a writer would be waited for.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
    with open(path, "rb", opener=lambda name, _: os.open(name, flags)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is a pipe or a device, and no file", str(path))
        yield file


def read_file(path: Path, most: int = MOST_PICTURE) -> bytes:
    """A file's contents; raises OSError for what is longer than `most` bytes, and for a pipe or a
    device, which may have no end."""
    with open_file(path) as file:
        is_longer = os.fstat(file.fileno()).st_size > most
        contents = b"" if is_longer else file.read(most + 1)
    if is_longer or len(contents) > most:
        raise OSError(errno.EFBIG, f"it has more than {most:,} bytes", str(path))
    return contents


def _take_rights(file: int, of: os.stat_result) -> None:
    with suppress(PermissionError):
        os.fchown(file, of.st_uid, of.st_gid)
        # Only then: another group may not read what this one may.
        os.fchmod(file, stat.S_IMODE(of.st_mode))
