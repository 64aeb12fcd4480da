"""What else a caller may give: a model by its name, seconds, how many, several captchas, servers.

What cannot be used is told with its value, at once.
"""

import math
import reprlib
from collections.abc import Iterable, Sequence
from decimal import Decimal
from numbers import Integral, Real
from typing import Any, Final

from tilefleet import values
from tilefleet.errors import BadArgument, SettingError, UnknownModel
from tilefleet.urls import without_password

#: Characters of a model's name.
_LONGEST_NAME: Final = 200
#: What is one captcha, though it has parts.
_ONE: Final = (str, bytes, bytearray, memoryview)


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
