"""What clients send: raw pictures, forms, base64 in all its spellings; not too much, not slowly."""

import asyncio
import binascii
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote_to_bytes

import orjson
import pybase64
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartParser
from starlette.requests import ClientDisconnect, Request

from producer.gateway import context
from tilefleet.errors import BadMessage, TooLarge

#: Seconds in which a body has to be there, and bytes that earn it another second.
_BODY_S, _BYTES_A_SECOND = 10.0, 64 << 10
#: Bytes more than allowed that are still read, so that the sender gets to see why.
_DRAINED = 8 << 20
_DATA_URL = re.compile(rb"\s*data:[^,]{0,100},")
_CLOSE = {"Connection": "close"}

# What is held in memory anyway does not go to the disk first.
MultiPartParser.spool_max_size = 1 << 30


async def read(request: Request, most: int) -> bytes:
    """The body.

    Raises TooLarge above `most` bytes, 408 for a sender that is too slow, and 503 where all
    requests together hold too much.
    """
    here, state = context.of(request), request.state
    announced = request.headers.get("content-length", "")
    # Who asks first is told at once; others want to be rid of it before they listen.
    asks = "expect" in request.headers
    if announced.isdigit() and int(announced) > most + (0 if asks else _DRAINED):
        raise TooLarge(f"a body of {announced} bytes; at most {most} are accepted")
    chunks, length = [], 0
    clock = asyncio.get_running_loop()
    began = clock.time()
    try:
        async with asyncio.timeout_at(began + _BODY_S) as limit:
            async for chunk in request.stream():
                length += len(chunk)
                if length <= most:
                    chunks.append(chunk)
                    here.held += len(chunk)
                    state.received += len(chunk)
                    if here.held > here.most_held:
                        raise HTTPException(
                            503,
                            f"{here.held} bytes of bodies at once; at most {here.most_held}",
                            {"Retry-After": "1", **_CLOSE},
                        )
                    limit.reschedule(began + _BODY_S + length / _BYTES_A_SECOND)
                elif length > most + _DRAINED:
                    break
    except TimeoutError:
        raise HTTPException(408, f"{length} bytes of the body in time", _CLOSE) from None
    except ClientDisconnect:
        raise HTTPException(400, "the sender went away") from None
    if length > most:
        raise TooLarge(f"a body of {length} bytes or more; at most {most} are accepted")
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


@asynccontextmanager
async def form(request: Request, body: bytes) -> AsyncIterator[FormData]:
    """The fields of a body that was read already; raises BadMessage."""

    async def again() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    try:
        fields = await Request(request.scope, again).form(max_part_size=len(body) + 1)
    except HTTPException as error:
        raise BadMessage(f"a form that cannot be read: {error.detail}") from None
    try:
        yield fields
    finally:
        await fields.close()


def kind(request: Request) -> str:
    """The content type, without its parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def field(request: Request, body: bytes, name: str) -> bytes | None:
    """A file's bytes or a field's text as bytes; None where there is no such field.

    Raises BadMessage.
    """
    if kind(request) == "application/x-www-form-urlencoded":
        return _urlencoded(body, name)
    async with form(request, body) as fields:
        value = fields.get(name)
        if isinstance(value, UploadFile):
            return await value.read()
        return None if value is None else value.encode()


def _urlencoded(body: bytes, name: str) -> bytes | None:
    key = name.encode() + b"="
    found = [part for part in body.split(b"&") if part.startswith(key)]
    if not found:
        return None
    return _unescaped(found[-1].removeprefix(key).replace(b"+", b" "))


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


def decode(text: str | bytes) -> bytes:
    """Base64 as clients write it: after ``data:…,``, with spaces for +, URL-safe, unpadded.

    Raises BadMessage.
    """
    if isinstance(text, str):
        text = text.encode("latin-1", "replace")
    if prefix := _DATA_URL.match(text):
        text = text[prefix.end() :]
    try:
        # As most write it.
        return pybase64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        text = text.strip().translate(_LIKE_BASE64, b"\r\n\t").rstrip(b"=")
    try:
        return pybase64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadMessage(f"{len(text)} characters that are no base64: {error}") from None


#: A + that a form turned into a space, and the URL-safe alphabet.
_LIKE_BASE64 = bytes.maketrans(b" -_", b"++/")


def parse(body: bytes) -> dict[str, Any]:
    """A JSON object; raises BadMessage."""
    try:
        value = orjson.loads(body)
    except ValueError as error:
        raise BadMessage(f"{len(body)} bytes that are no JSON: {error}") from None
    if not isinstance(value, dict):
        raise BadMessage(f"a JSON {type(value).__name__}; an object is wanted")
    return value
