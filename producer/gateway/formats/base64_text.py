"""Base64 as clients write it, and addresses, which stand in its place."""

import binascii
import re
from collections.abc import Awaitable, Callable

import pybase64

from producer.gateway.formats import sized
from tilefleet.errors import BadMessage

#: Bytes that are decoded before others have their turn.
_SLICE = 64 << 10
#: Few spaces in front: of millions, a pattern tries each as the last.
_DATA_URL = re.compile(rb"[\s\"']{0,64}data:[^,]{0,100},", re.IGNORECASE)
#: What may stand around base64: spaces of all kinds, quotes, a mark of byte order, an end.
_AROUND = b" \t\r\n\v\f\0\"'\xef\xbb\xbf"
#: An address, in the place of a picture.
_ADDRESS = re.compile(rb"\s{0,64}(?:https?|ftp|file|s3|gs)://", re.IGNORECASE)
#: The space in the place of a +, and the URL-safe alphabet.
_LIKE_BASE64 = bytes.maketrans(b" -_", b"++/")

Turn = Callable[[], Awaitable[None]]


def refuse_address(text: bytes) -> None:
    """Raises BadMessage for an address, where a picture is wanted.

    What a gateway fetched for a client, it would fetch from where the client itself cannot reach.
    """
    if _ADDRESS.match(text):
        shown = text.strip()[:60].decode("ascii", "replace")
        raise BadMessage(
            f"{shown!r} is an address: this gateway fetches nothing, since it would reach what its "
            "clients may not; fetch it yourself and send the picture"
        )


def decode(text: bytes) -> bytes:
    """Base64 as clients write it: after ``data:…,``, in lines, spaces for +, URL-safe, unpadded.

    Raises BadMessage.
    """
    text = _base64(text)
    try:
        # As most write it.
        return pybase64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        text = text.strip(_AROUND)
        return _mended(text.translate(_LIKE_BASE64, _white(text)))


async def decode_long(text: bytes, turn: Turn) -> bytes:
    """The same in turns, for what may be megabytes."""
    if len(text) <= _SLICE:
        return decode(text)
    at, end = await _within(text, turn)
    white, decoded = _white(text, at, end), sized.buffer((end - at) // 4 * 3 + 3)
    left, length, padding = b"", 0, 0
    wrong: Exception | None = None
    while at < end:
        await turn()
        part = text[at : min(end, at + _SLICE)].translate(_LIKE_BASE64, white)
        at += _SLICE
        plain = part.rstrip(b"=")
        if b"=" in plain or (plain and padding):
            wrong = wrong or binascii.Error("Non-base64 digit found")
        length += len(part)
        padding = len(part) - len(plain) + (0 if plain else padding)
        if wrong:
            # It is only counted.
            continue
        plain = left + plain
        whole = len(plain) - len(plain) % 4
        left = plain[whole:]
        try:
            decoded.write(pybase64.b64decode(plain[:whole], validate=True))
        except (binascii.Error, ValueError) as error:
            wrong = error
    try:
        if wrong:
            raise wrong
        decoded.write(_padded(left))
    except (binascii.Error, ValueError) as error:
        raise _no_base64(length - padding, error) from None
    return sized.value(decoded)


async def _within(text: bytes, turn: Turn) -> tuple[int, int]:
    """Where base64 begins and ends in it; raises BadMessage for an address."""
    refuse_address(text)
    prefix = _DATA_URL.match(text)
    at, end = prefix.end() if prefix else 0, len(text)
    while at < end and text[at] in _AROUND:
        part = text[at : at + _SLICE]
        at += len(part) - len(part.lstrip(_AROUND))
        await turn()
    while at < end and text[end - 1] in _AROUND:
        part = text[max(at, end - _SLICE) : end]
        end -= len(part) - len(part.rstrip(_AROUND))
        await turn()
    return at, end


def _base64(text: bytes) -> bytes:
    """What is behind a prefix; raises BadMessage for an address."""
    refuse_address(text)
    prefix = _DATA_URL.match(text)
    return text[prefix.end() :] if prefix else text


def _white(text: bytes, at: int = 0, end: int | None = None) -> bytes:
    """A + that a form turned into a space is one of all: where some are left, spaces are spaces."""
    return b"\r\n\t\v\f " if text.find(b"+", at, end) >= 0 else b"\r\n\t\v\f"


def _mended(text: bytes) -> bytes:
    """Decoded, with or without its padding; raises BadMessage."""
    text = text.rstrip(b"=")
    try:
        return _padded(text)
    except (binascii.Error, ValueError) as error:
        raise _no_base64(len(text), error) from None


def _padded(text: bytes) -> bytes:
    return pybase64.b64decode(text + b"=" * (-len(text) % 4), validate=True)


def _no_base64(length: int, error: Exception) -> BadMessage:
    return BadMessage(f"{length} characters that are no base64: {error}")
