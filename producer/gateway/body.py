"""What clients send: raw pictures, forms, base64; not too much, not slowly."""

import asyncio
import binascii
import re
from codecs import BOM_UTF8
from collections import deque
from contextlib import AbstractAsyncContextManager
from functools import partial
from urllib.parse import unquote_to_bytes

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from producer.gateway import context
from producer.gateway.connection.protocol import BODY_BYTES_A_SECOND, BODY_S, MOST_IGNORED
from producer.gateway.connection.turns import Slices
from producer.gateway.formats import base64_text, sized
from producer.gateway.formats import form as multipart
from producer.gateway.formats.long_json import LongJson
from tilefleet.errors import TooLarge

#: Bytes that are worked on before others have their turn: at first, and at most.
_SLICE, _MOST_SLICE = 32 << 10, 64 << 10
#: Of a form, where one picture is wanted.
_MOST_FILES = 16
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


async def decode_long(request: Request, text: bytes) -> bytes:
    """Base64 of what may be megabytes; raises BadMessage."""
    return await base64_text.decode_long(text, partial(context.turn, request))
