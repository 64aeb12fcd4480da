"""The captchas that a command is given: files, folders, patterns, the standard input.

Nothing is opened before its turn, so any number may be named; what is not there is an error of its
own, in its place.
"""

import errno
import glob
import os
import stat
import sys
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from producer.terminal.options import beside
from tilefleet import wire

#: What counts as a picture in a folder; a file that is named is taken whatever it is called.
_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp"})

#: Of a captcha, no more than shows that it is too large: a device has no end.
_MOST = wire.MOST_IMAGE_BYTES + 1

#: The standard input: the bytes of one picture.
STDIN = "-"


@dataclass(slots=True, eq=False)
class Input:
    """One captcha to come; `read` gives its bytes, as `producer.client.source` wants it."""

    name: str
    #: Below which folder or beside which files it was found: where its picture goes, relatively.
    below: str = ""
    #: Why there is none of that name.
    missing: str = ""
    #: Bytes that cannot be read a second time.
    kept: bytes = b""

    def read(self) -> bytes:
        """The image bytes; raises OSError."""
        if self.missing:
            raise OSError(errno.ENOENT, self.missing, self.name)
        if self.name == STDIN:
            self.kept = self.kept or sys.stdin.buffer.read(_MOST)
            return self.kept
        try:
            with Path(self.name).open("rb") as file:
                return file.read(_MOST)
        except FileNotFoundError as error:
            why = f"{error.strerror}{beside(self.name)}"
            raise FileNotFoundError(errno.ENOENT, why, self.name) from None

    @property
    def place(self) -> Path:
        """Its path below what was named, for a folder of results."""
        if self.name == STDIN:
            return Path("stdin")
        if self.below:
            return Path(os.path.relpath(self.name, self.below))
        return Path(Path(self.name).name)


def expand(arguments: Iterable[str]) -> Iterator[Input]:
    """Each argument's captchas, in order: of folders all pictures below, by name."""
    for argument in arguments:
        if argument == STDIN:
            yield Input(STDIN)
        elif not argument:
            # Of a shell's variable that is not set; a Path takes it for this folder.
            yield Input("''", missing="no name")
        elif (mode := _mode(argument)) and stat.S_ISDIR(mode):
            yield from _in_folder(argument)
        elif not mode and glob.has_magic(argument):
            yield from _matching(argument)
        else:
            yield Input(argument)


def listed(file: str) -> Iterator[str]:
    """The arguments in a file, one a line, or with NUL between them; `-` is the standard input,
    read as it comes. Whatever is no text is part of a name."""
    if file == STDIN:
        yield from _names(sys.stdin.buffer)
        return
    with Path(file).open("rb") as lines:
        yield from _names(lines)


def _names(lines: Iterable[bytes]) -> Iterator[str]:
    for number, line in enumerate(lines):
        # Of `find -print0`; Windows begins a text with a mark of byte order.
        for name in (line if number else line.removeprefix(BOM_UTF8)).split(b"\0"):
            if name.strip():
                yield os.fsdecode(name.rstrip(b"\r\n"))


def is_picture(path: Path) -> bool:
    """Whether a file of that name in a folder counts as one; what is hidden does not."""
    hidden = any(part.startswith(".") for part in path.parts)
    return path.suffix.lower() in _SUFFIXES and not hidden


def is_one(arguments: Sequence[str]) -> bool:
    """Whether these can be one captcha only."""
    if len(arguments) != 1:
        return False
    (argument,) = arguments
    mode = _mode(argument)
    is_file = not stat.S_ISDIR(mode) if mode else not glob.has_magic(argument)
    return argument == STDIN or is_file


def _mode(name: str) -> int:
    """What is there, as `stat` has it; 0 for nothing, and for what cannot be looked at."""
    try:
        return Path(name).stat().st_mode
    except (OSError, ValueError):
        return 0


def _in_folder(folder: str) -> Iterator[Input]:
    found = False
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if is_picture(Path(name)):
                found = True
                yield Input(str(Path(parent) / name), below=folder)
    if not found:
        yield Input(folder, missing="no pictures in this folder")


def _matching(pattern: str) -> Iterator[Input]:
    # A Path has no way with "..", absolute patterns and "**" at once.
    names = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207
    for name in names:
        if stat.S_ISDIR(_mode(name)):
            yield from _in_folder(name)
        else:
            yield Input(name)
    if not names:
        yield Input(pattern, missing="nothing is called like this")
