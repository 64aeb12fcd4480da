"""JSON with pictures in it, read without holding the event loop.

A JSON library parses in one go, which takes a third of a second for what a list may have, and far
more for what an attacker makes of as many bytes. So long strings, which are what pictures are, are
left out: the rest has to be short, is parsed, and a picture's text is looked up when it is its
turn.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from secrets import token_hex
from typing import Any

import orjson

from producer.gateway.formats import sized
from tilefleet.errors import BadMessage, TooLarge

#: Bytes from which a string is left out, and bytes that everything else may have.
_LONG, _MOST_ELSE = 256, 1 << 20
#: Brackets, commas and quotes that there may be: some for each picture of the longest list.
_MOST_MARKS = 32_768
#: Bytes that are looked at, or read, before others have their turn, bytes in which a quote is
#: looked for, and quotes that are found.
_SLICE, _FAR, _QUOTES = 64 << 10, 1 << 20, 512
#: In front of the number of a string that was left out: nobody knows it, so nobody sends it.
_MARK = token_hex(16)
#: Half of a pair that stands for one character.
_HALF = re.compile(rb"\\u[dD][89abAB]")

Turn = Callable[[], Awaitable[None]]


class LongJson:
    """A JSON object whose strings are bytes until somebody asks for them."""

    def __init__(
        self, value: dict[str, Any], body: bytes, strings: list[tuple[int, int]], turn: Turn
    ) -> None:
        self._value = value
        self._body = body
        #: Where in it those begin and end that were left out.
        self._strings = strings
        self._turn = turn

    @classmethod
    async def parse(cls, body: bytes, turn: Turn = lambda: asyncio.sleep(0)) -> "LongJson":
        """`turn` lets others have the event loop; raises BadMessage."""
        await _check_marks(body, turn)
        kept: list[bytes] = []
        strings: list[tuple[int, int]] = []
        at = length = 0
        while (begin := await _quote(body, at, turn)) < len(body):
            end = await _end_of_string(body, begin, turn)
            if end - begin > _LONG:
                kept += (body[at:begin], b'"%b%d"' % (_MARK.encode(), len(strings)))
                strings.append((begin + 1, end - 1))
                length += len(kept[-1]) + begin - at
            else:
                kept.append(body[at:end])
                length += end - at
            if length > _MOST_ELSE:
                break
            at = end
            if len(kept) % _QUOTES == 0:
                await turn()
        if len(body) - at + length > _MOST_ELSE:
            raise BadMessage(f"JSON with more than {_MOST_ELSE} bytes that are no picture's")
        kept.append(body[at:])
        try:
            value = orjson.loads(b"".join(kept))
        except ValueError as error:
            raise BadMessage(f"{len(body)} bytes that are no JSON: {error}") from None
        if not isinstance(value, dict):
            raise BadMessage(f"a JSON {type(value).__name__}; an object is wanted")
        return cls(value, body, strings, turn)

    def get(self, name: str) -> Any:
        """What stands under that name, or None; strings in it are for `text`."""
        return self._value.get(name)

    def needed(self, name: str) -> Any:
        """The same; raises BadMessage where nothing does."""
        if name not in self._value:
            raise BadMessage(f'a JSON object without "{name}"')
        return self.get(name)

    async def text(self, value: Any, most: int) -> bytes:
        """A string that `get` gave, of up to `most` bytes; raises TooLarge, and BadMessage for
        anything else."""
        if not isinstance(value, str):
            raise BadMessage(f"an image is base64 text, not {type(value).__name__}")
        if not value.startswith(_MARK):
            return value.encode("utf-8", "replace")
        at, end = self._strings[int(value.removeprefix(_MARK))]
        if end - at > most:
            raise TooLarge(f"{end - at} characters of base64; at most {most} are accepted")
        text = sized.buffer(end - at)
        while end - at > _SLICE:
            cut = _cut(self._body, at, at + _SLICE)
            text.write(_unescaped(self._body[at:cut]))
            at = cut
            await self._turn()
        text.write(_unescaped(self._body[at:end]))
        return sized.value(text)


def _unescaped(string: bytes) -> bytes:
    if b"\\" not in string:
        return string
    try:
        # Some write the / of base64 as \/.
        unescaped: str = orjson.loads(b'"%b"' % string)
    except ValueError as error:
        raise BadMessage(f"a string that is no JSON: {error}") from None
    return unescaped.encode("utf-8", "replace")


def _cut(body: bytes, at: int, end: int) -> int:
    """Where to cut a string, of which `at` is no escape's middle: not behind `end`, nor in an
    escape, nor between two that are one character."""
    escape = body.rfind(b"\\", end - 6, end)
    if escape < 0 or not _is_escape(body, at, escape):
        return end
    if _HALF.match(body, escape - 6) and _is_escape(body, at, escape - 6):
        return escape - 6
    length = 6 if body[escape + 1 : escape + 2] == b"u" else 2
    return escape if escape + length > end or _HALF.match(body, escape) else end


def _is_escape(body: bytes, at: int, escape: int) -> bool:
    """Whether the backslash there begins one, and is not the second of one."""
    before = body[at:escape]
    return (len(before) - len(before.rstrip(b"\\"))) % 2 == 0


async def _check_marks(body: bytes, turn: Turn) -> None:
    """A few for each picture are all that anybody needs, and each of more costs a hundred bytes."""
    count = 0
    for at in range(0, len(body), _SLICE):
        part = body[at : at + _SLICE]
        for mark in (b"[", b"{", b",", b'"', b":"):
            count += part.count(mark)
            if count > _MOST_MARKS:
                raise BadMessage(f'JSON with more than {_MOST_MARKS} of [ {{ , : and "')
        await turn()


async def _quote(body: bytes, at: int, turn: Turn) -> int:
    """Where the next one is; the length where there is none."""
    while (found := body.find(b'"', at, at + _FAR)) < 0:
        at += _FAR
        if at >= len(body):
            return len(body)
        await turn()
    return found


async def _end_of_string(body: bytes, begin: int, turn: Turn) -> int:
    """Where the string ends that begins there, its quote included."""
    quotes = 0
    while True:
        end = await _quote(body, begin + 1, turn)
        if end == len(body):
            return end
        if await _backslashes(body, begin + 1, end, turn) % 2 == 0:
            return end + 1
        # An escaped one.
        begin, quotes = end, quotes + 1
        if quotes % _QUOTES == 0:
            await turn()


async def _backslashes(body: bytes, begin: int, end: int, turn: Turn) -> int:
    """How many there are in a row before `end`."""
    at, size = end, 16
    while True:
        part = body[max(begin, at - size) : at]
        found = len(part) - len(part.rstrip(b"\\"))
        at -= found
        if found < size:
            return end - at
        if size < _SLICE:
            size *= 16
        else:
            await turn()
