"""What a caller may give: as a captcha a path, the bytes, or an open file; a model by its name."""

from collections.abc import Iterable
from io import IOBase
from os import PathLike
from pathlib import Path
from typing import Any, Final, Protocol

from tilefleet import values, wire
from tilefleet.errors import BadMessage, BadRequest, TooLarge, UnknownModel

#: Characters of a model's name.
_LONGEST_NAME: Final = 200


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
        with Path(source).open("rb") as file:
            return file.read(wire.MOST_IMAGE_BYTES + 1)
    if hasattr(source, "read"):
        data = _contents(source) if isinstance(source, IOBase) else source.read()
        if isinstance(data, bytes):
            return data
        raise BadMessage(f"the file gives {type(data).__name__}; open it in binary mode")
    raise BadMessage(f"give a path, bytes or a binary file, not {type(source).__name__}")


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


def named(model: str | None) -> str:
    """A model's name, none for None; raises UnknownModel for what cannot be one."""
    if model is None:
        return ""
    if not isinstance(model, str):
        raise UnknownModel(f"a model is given by its name, not {type(model).__name__}")
    try:
        if len(model) > _LONGEST_NAME:
            raise ValueError(f"{_LONGEST_NAME} characters at most, not {len(model)}")
        return values.name(model)
    except ValueError as error:
        shown = model[:_LONGEST_NAME]
        raise UnknownModel(f"{shown!r} cannot be a model's name: give {error}") from None


def describe(data: bytes) -> str:
    """How a sent image shows in Flower and logs until a worker describes it."""
    return f"(<{len(data)} bytes>)"
