"""A captcha as a caller may give it: a path, the bytes, or an open file."""

import errno
from collections.abc import Iterable
from io import IOBase
from os import PathLike
from pathlib import Path
from typing import Any, Final, Protocol

from tilefleet import wire
from tilefleet.errors import (
    BadMessage,
    BadRequest,
    TooLarge,
    reason,
)

#: What begins so is where a picture is, or the picture, as text.
_ADDRESSES: Final = ("http://", "https://", "data:")
_GIVE: Final = "give its bytes (of base64 those that base64.b64decode gives; nothing is fetched)"
#: Characters of what is given that an error shows.
_SHOWN: Final = 100


class Readable(Protocol):
    """A binary file, as far as it matters here."""

    def read(self) -> bytes: ...


Source = str | PathLike[str] | bytes | bytearray | memoryview | Readable


def read(source: Source) -> bytes:
    """The image bytes; raises OSError for a file that cannot be read, BadMessage for other types,
    TooLarge for more than can be sent.

    The bytes are not looked at: whether they are a captcha is for the worker to say.
    """
    data = _read(source)
    if len(data) > wire.MOST_IMAGE_BYTES:
        raise TooLarge(f"{len(data)} bytes or more; at most {wire.MOST_IMAGE_BYTES} can be sent")
    return data


def _read(source: Source) -> bytes:
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    if isinstance(source, str | PathLike):
        return _of_path(source)
    if hasattr(source, "read"):
        try:
            data = _contents(source) if isinstance(source, IOBase) else source.read()
        except UnicodeDecodeError:
            data = ""
        if isinstance(data, bytes):
            return data
        raise BadMessage(f"the file gives {type(data).__name__}; open it in binary mode")
    raise BadMessage(f"give a path, bytes or a binary file, not {type(source).__name__}")


def _of_path(path: str | PathLike[str]) -> bytes:
    if isinstance(path, str) and (not path or path.startswith(_ADDRESSES)):
        raise BadMessage(f"{path[:_SHOWN]!r} is no path of a file: {_GIVE}")
    try:
        with Path(path).open("rb") as file:
            return file.read(wire.MOST_IMAGE_BYTES + 1)
    except ValueError as error:
        raise BadMessage(f"{str(path)[:_SHOWN]!r} is no path of a file: {reason(error)}") from None
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        shown = f"{str(path)[:_SHOWN]!r}, {len(str(path))} characters,"
        raise BadMessage(f"{shown} is no path of a file: {_GIVE}") from None


def _contents(file: IOBase) -> Any:
    """Of an open file, no more than can be sent: a device has no end."""
    contents, left = b"", wire.MOST_IMAGE_BYTES + 1
    while left and (more := file.read(left)):
        if not isinstance(more, bytes):
            return more
        # An unbuffered one gives what is there.
        contents, left = contents + more, left - len(more)
    return contents


def read_all(sources: Iterable[Source]) -> list[bytes | BadRequest | OSError]:
    """The image bytes of each, or the error in their place."""
    contents: list[bytes | BadRequest | OSError] = []
    for source in sources:
        try:
            contents.append(read(source))
        except (BadRequest, OSError) as error:
            contents.append(error)
    return contents


def describe(data: bytes) -> str:
    """How a sent image shows in Flower and logs until a worker describes it."""
    return f"(<{len(data)} bytes>)"
