"""What clients send: raw pictures, forms, base64 in all its spellings; not too much, not slowly."""

import asyncio
import base64
import binascii
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from models.errors import BadMessage, TooLarge

#: Seconds in which a body has to be there.
_BODY_S = 10.0
_DATA_URL = re.compile(r"^\s*data:[^,]{0,100},", re.ASCII)
_NOT_BASE64 = re.compile(r"[\r\n\t]")


async def read(request: Request, most: int) -> bytes:
    """The body; raises TooLarge above `most` bytes, and 408 for a sender that is too slow."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > most:
        raise TooLarge(f"a body of {announced} bytes; at most {most} are accepted")
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    raise TooLarge(f"a body of more than {most} bytes")
    except TimeoutError:
        raise HTTPException(408, f"the body was not there within {_BODY_S:g} s") from None
    except ClientDisconnect:
        raise HTTPException(400, "the sender went away") from None
    return bytes(body)


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


async def field(form: FormData, name: str) -> bytes | None:
    """A file's bytes or a field's text as bytes; None where there is no such field."""
    value = form.get(name)
    if isinstance(value, UploadFile):
        return await value.read()
    return None if value is None else value.encode()


def decode(text: str | bytes) -> bytes:
    """Base64 as clients write it: after ``data:…,``, with spaces for +, URL-safe, unpadded.

    Raises BadMessage.
    """
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    text = _NOT_BASE64.sub("", _DATA_URL.sub("", text).strip())
    text = text.replace(" ", "+").replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadMessage(f"{len(text)} characters that are no base64: {error}") from None


def parse(body: bytes) -> dict[str, Any]:
    """A JSON object; raises BadMessage."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadMessage(f"{len(body)} bytes that are no JSON: {error}") from None
    if not isinstance(value, dict):
        raise BadMessage(f"a JSON {type(value).__name__}; an object is wanted")
    return value
