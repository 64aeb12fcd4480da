"""A file's contents in memory that nobody can change, mapped by all that read it.

What is loaded is what was checked, whatever happens to the file. Processes that are forked from one
that holds it have it once between them, and so have the lanes of each.
"""

import fcntl
import os
from contextlib import suppress


class Mapped:
    """Sealed memory with a path; for as long as this object lives."""

    def __init__(self, name: str, contents: bytes) -> None:
        """`name` is what a process's map shows. Raises OSError where the system has no such."""
        self._file = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        left = memoryview(contents)
        while left:
            left = left[os.write(self._file, left) :]
        seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
        fcntl.fcntl(self._file, fcntl.F_ADD_SEALS, seals)

    @property
    def path(self) -> str:
        """Where this process, and what is forked from it, can open it."""
        return f"/proc/self/fd/{self._file}"

    def __del__(self) -> None:
        # What has mapped it keeps the memory.
        with suppress(AttributeError, OSError):
            os.close(self._file)


def mapped(name: str, contents: bytes) -> Mapped | bytes:
    """`contents` to be mapped; as they are where the system cannot seal memory."""
    try:
        return Mapped(name, contents)
    except (AttributeError, OSError):
        return contents
