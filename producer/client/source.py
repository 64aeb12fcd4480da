"""What a caller may give: as a captcha a path, the bytes, or an open file; a model by its name;
seconds, and how many captchas may be on their way."""

import errno
import math
import reprlib
from collections.abc import Iterable, Sequence
from decimal import Decimal
from io import IOBase
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from typing import Any, Final, Protocol

from tilefleet import values, wire
from tilefleet.errors import (
    BadArgument,
    BadMessage,
    BadRequest,
    SettingError,
    TooLarge,
    UnknownModel,
    reason,
)
from tilefleet.urls import without_password

#: Characters of a model's name.
_LONGEST_NAME: Final = 200

#: What begins so is where a picture is, or the picture, as text.
_ADDRESSES: Final = ("http://", "https://", "data:")
_GIVE: Final = "give its bytes (of base64 those that base64.b64decode gives; nothing is fetched)"
#: What is one captcha, though it has parts.
_ONE: Final = (str, bytes, bytearray, memoryview)
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


def seconds(given: float, name: str) -> float:
    """A time, called `name`, in seconds; raises BadArgument for what is no number."""
    return number(given, name, "seconds, as a number")


def number(given: float, name: str, what: str = "a number") -> float:
    """A number, called `name`; raises BadArgument, which says `what` to give, for what is none."""
    if isinstance(given, Real | Decimal) and not isinstance(given, bool):
        try:
            read = float(given)
        except OverflowError:
            read = math.inf if given > 0 else -math.inf
        if not math.isnan(read):
            return read
    raise BadArgument(f"{name}={_shown(given)}; give {what}")


def whole(given: int, name: str, least: int, what: str, *, most: float = math.inf) -> int:
    """How many, called `name`; raises BadArgument for what is no number of them."""
    if isinstance(given, Integral) and not isinstance(given, bool) and least <= given <= most:
        return int(given)
    bounds = f"{least} or more" if most == math.inf else f"{least} to {most}"
    raise BadArgument(f"{name}={_shown(given)}; give a whole number of {what}, {bounds}")


def several(sources: Iterable[Any]) -> Iterable[Any]:
    """Many sources; raises BadArgument for one, whose parts would be taken for them."""
    is_one = isinstance(sources, _ONE) or hasattr(sources, "read")
    if isinstance(sources, Iterable) and not is_one:
        return sources
    raise BadArgument(f"sources={_shown(sources)}; give several, as a list or an iterator")


def address(url: str | None) -> str:
    """A server's URL, not looked at, "" for None; raises SettingError for other types."""
    if isinstance(url, str | None):
        return url or ""
    shown = without_password(_shown(url))
    raise SettingError(f"{shown} is not usable: give a URL such as redis://host:6379/0")


def addresses(urls: Sequence[str]) -> tuple[str, ...]:
    """Several servers' URLs; raises SettingError for one, whose characters would be taken so."""
    if isinstance(urls, str) or not isinstance(urls or (), Iterable):
        shown = without_password(_shown(urls))
        raise SettingError(f"shards={shown} is not usable: give a list of URLs")
    return tuple(map(address, urls or ()))


def _shown(given: object) -> str:
    return reprlib.repr(given)


def describe(data: bytes) -> str:
    """How a sent image shows in Flower and logs until a worker describes it."""
    return f"(<{len(data)} bytes>)"
