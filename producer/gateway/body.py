"""What clients send: raw pictures, forms, base64 in all its spellings; not too much, not slowly."""

import asyncio
import binascii
import re
from codecs import BOM_UTF8
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from urllib.parse import unquote_to_bytes

import pybase64
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from producer.gateway import context
from producer.gateway.connection.protocol import BODY_BYTES_A_SECOND, BODY_S, MOST_IGNORED
from producer.gateway.connection.turns import Slices
from producer.gateway.formats import form as multipart
from producer.gateway.formats import sized
from producer.gateway.formats.long_json import LongJson
from tilefleet.errors import BadMessage, TooLarge

#: Bytes that are worked on before others have their turn: at first, and at most.
_SLICE, _MOST_SLICE = 32 << 10, 64 << 10
#: Of a form, where one picture is wanted.
_MOST_FILES = 16
#: Few spaces in front: of millions, a pattern tries each as the last.
_DATA_URL = re.compile(rb"[\s\"']{0,64}data:[^,]{0,100},", re.IGNORECASE)
#: What may stand around base64: spaces of all kinds, quotes, a mark of byte order, an end.
_AROUND = b" \t\r\n\v\f\0\"'\xef\xbb\xbf"
#: An address, in the place of a picture.
_ADDRESS = re.compile(rb"\s{0,64}(?:https?|ftp|file|s3|gs)://", re.IGNORECASE)
#: Who sends JSON often says that it is a form, or nothing; a form's field begins with no brace.
_BEGINS_JSON = re.compile(rb"(?:\xef\xbb\xbf)?\s{0,64}\{")
_CLOSE = {"Connection": "close"}


async def read(request: Request, most: int) -> bytes:
    """The body.

    Raises TooLarge above `most` bytes, 408 for a sender that is too slow, and 503 where all
    requests together hold too much.
    """
    pieces = await read_pieces(request, most)
    length = sum(map(len, pieces))
    if length <= _MOST_SLICE:
        return b"".join(pieces)
    joined = sized.buffer(length)
    while pieces:
        joined.write(pieces.popleft())
        await context.turn(request)
    return sized.value(joined)


async def read_pieces(request: Request, most: int) -> deque[bytes]:
    """The same in the pieces in which it came."""
    here, state = context.of(request), request.state
    announced = request.headers.get("content-length", "")
    # A client that sent Expect: 100-continue is refused at once. Others read a reply only when they
    # have sent the body, so up to MOST_IGNORED bytes more are read.
    asks = "expect" in request.headers
    if announced.isdigit() and int(announced) > most + (0 if asks else MOST_IGNORED):
        raise TooLarge(f"a body of {announced} bytes; at most {most} are accepted")
    pieces, length = deque[bytes](), 0
    clock = asyncio.get_running_loop()
    began = clock.time()
    try:
        async with asyncio.timeout_at(began + BODY_S) as limit:
            async for chunk in request.stream():
                length += len(chunk)
                if length <= most:
                    pieces.append(chunk)
                    state.received += len(chunk)
                    here.hold(state.who, len(chunk))
                    limit.reschedule(began + BODY_S + length / BODY_BYTES_A_SECOND)
                elif length > most + MOST_IGNORED:
                    break
    except TimeoutError:
        raise HTTPException(408, f"{length} bytes of the body in time", _CLOSE) from None
    except ClientDisconnect:
        raise HTTPException(400, "the sender went away") from None
    if length > most:
        raise TooLarge(f"a body of {length} bytes or more; at most {most} are accepted")
    return pieces


def form(request: Request, body: bytes) -> AbstractAsyncContextManager[FormData]:
    """The fields of a body in which there is one picture; raises BadMessage."""
    turn = partial(context.turn, request)
    most = {"files": _MOST_FILES, "most_text": len(body)}
    return multipart.form(request.headers, deque([body]), turn, **most)


def forms(request: Request, pieces: deque[bytes]) -> AbstractAsyncContextManager[FormData]:
    """The same where there are as many as a list may have; `pieces` are taken away."""
    here, turn = context.of(request), partial(context.turn, request)
    return multipart.form(
        request.headers,
        pieces,
        turn,
        files=here.settings.max_list,
        # No text is longer than a picture's; of all characters it takes long to read.
        most_text=here.most_body,
        most_file=here.settings.max_bytes,
    )


def kind(request: Request) -> str:
    """The content type, without its parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def long_json(request: Request, body: bytes) -> LongJson:
    """Raises BadMessage."""
    return await LongJson.parse(body, lambda: context.turn(request))


async def field(request: Request, body: bytes, name: str) -> bytes | None:
    """Of a form: a file's bytes, or a field's text as bytes. Of a JSON object, whatever its kind is
    said to be: a string. None where there is no such field.

    Raises BadMessage.
    """
    said = kind(request)
    if said.endswith("json") or (said != "multipart/form-data" and _BEGINS_JSON.match(body)):
        read = await long_json(request, body.removeprefix(BOM_UTF8))
        text = read.get(name)
        return None if text is None else await read.text(text, len(body))
    if said == "application/x-www-form-urlencoded":
        return await _urlencoded(request, body, name)
    if said != "multipart/form-data":
        return None
    async with form(request, body) as fields:
        value = next(iter(fields.getlist(name)), None)
        if isinstance(value, UploadFile):
            return await value.read()
        return None if value is None else value.encode()


async def _urlencoded(request: Request, body: bytes, name: str) -> bytes | None:
    key = name.encode() + b"="
    # Of several the first, as those servers do.
    begin = 0 if body.startswith(key) else body.find(b"&" + key) + 1
    if not begin and not body.startswith(key):
        return None
    at = begin + len(key)
    ends = body.find(b"&", at)
    ends = len(body) if ends < 0 else ends
    plain, slices = sized.buffer(ends - at), Slices(_SLICE, _MOST_SLICE)
    while at < ends:
        end = min(at + slices.begin(ends - at), ends)
        # Not inside of an escape.
        escape = -1 if end == ends else body.rfind(b"%", end - 2, end)
        end = escape if at < escape else end
        plain.write(_unescaped(body[at:end].replace(b"+", b" ")))
        at = end
        slices.end()
        await context.turn(request)
    return sized.value(plain)


def _unescaped(value: bytes) -> bytes:
    """As `unquote_to_bytes`, which is slow for the hundreds of escapes of a picture
    (`benchmarks.shortcuts`).

    Quoted-printable differs in its sign only, and is read in C; what else it gives a meaning to,
    and escapes that are none, go the slow way.
    """
    if b"%" not in value:
        return value
    if not any(special in value for special in (b"=", b"\r", b"\n")):
        plain = binascii.a2b_qp(value.replace(b"%", b"="))
        if len(value) - len(plain) == 2 * value.count(b"%"):
            return plain
    return unquote_to_bytes(value)


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


async def decode_long(request: Request, text: bytes) -> bytes:
    """The same in turns, for what may be megabytes."""
    if len(text) <= _MOST_SLICE:
        return decode(text)
    turn = partial(context.turn, request)
    at, end = await _within(text, turn)
    white, decoded = _white(text, at, end), sized.buffer((end - at) // 4 * 3 + 3)
    left, length, padding = b"", 0, 0
    wrong: Exception | None = None
    while at < end:
        await turn()
        part = text[at : min(end, at + _MOST_SLICE)].translate(_LIKE_BASE64, white)
        at += _MOST_SLICE
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


async def _within(text: bytes, turn: Callable[[], Awaitable[None]]) -> tuple[int, int]:
    """Where base64 begins and ends in it; raises BadMessage for an address."""
    refuse_address(text)
    prefix = _DATA_URL.match(text)
    at, end = prefix.end() if prefix else 0, len(text)
    while at < end and text[at] in _AROUND:
        part = text[at : at + _MOST_SLICE]
        at += len(part) - len(part.lstrip(_AROUND))
        await turn()
    while at < end and text[end - 1] in _AROUND:
        part = text[max(at, end - _MOST_SLICE) : end]
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


#: The space in the place of a +, and the URL-safe alphabet.
_LIKE_BASE64 = bytes.maketrans(b" -_", b"++/")
