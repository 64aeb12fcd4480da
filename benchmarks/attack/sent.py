"""Attacks that are bytes: a connection each, sent in one go, the reply is read."""

import base64
import gzip
import json
import os
import struct
import zlib
from collections.abc import Callable
from functools import cache

from benchmarks.attack.line import Target

FORM, JSON = "application/x-www-form-urlencoded", "application/json"
FILES = "multipart/form-data; boundary=b"
_MIB = 1 << 20
_PART = b'--b\r\nContent-Disposition: form-data; name="a"; filename="a.jpg"\r\n\r\n'


@cache
def _bomb() -> bytes:
    """A PNG of some kilobytes that says it has 400 million pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        crc = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc)

    head = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(8 * _MIB), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@cache
def _compressed() -> bytes:
    return gzip.compress(bytes(64 * _MIB), 9)


def _bad_pictures(count: int) -> bytes:
    text = base64.b64encode(b"no picture").decode()
    return json.dumps({"images": [text] * count}).encode()


def _chunked(target: Target, body: bytes) -> bytes:
    return target.head("/v1/solve", "Transfer-Encoding: chunked") + b"\r\n" + body


def _handshake(target: Target, protocol: str) -> bytes:
    return (
        target.head(
            "/v1/solve",
            *("Connection: Upgrade", f"Upgrade: {protocol}", "Sec-WebSocket-Version: 13"),
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            method="GET",
        )
        + b"\r\n"
    )


Bytes = Callable[[Target], bytes]

SENT: dict[str, Bytes] = {
    "chunks of one byte": lambda t: _chunked(t, b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n"),
    "extensions of chunks": lambda t: _chunked(t, (b"1;" + b"a" * 9000 + b"\r\nx\r\n") * 400),
    "trailers": lambda t: _chunked(t, b"0\r\n" + b"A: b\r\n" * 100_000),
    "pipelined requests": lambda t: (t.head("/healthz", method="GET") + b"\r\n") * 1000,
    "a body that is too long": lambda t: t.post("/v1/solve", bytes(5 * _MIB)),
    "a long list": lambda t: t.post("/v1/solve-many", _PART + bytes(60 * _MIB), FILES),
    "wrong keys": lambda t: (
        t.head(
            "/v1/solve", f"X-API-Key: eve.{os.urandom(32).hex()}", "Connection: close", key=False
        )
        + b"Content-Length: 13500\r\n\r\n"
        + bytes(13_500)
    ),
    "bombs as pictures": lambda t: t.post("/v1/solve", _bomb() + os.urandom(8)),
    "compressed bodies": lambda t: t.post(
        "/v1/solve", _compressed(), "image/jpeg", "Content-Encoding: gzip"
    ),
    "nested JSON": lambda t: t.post("/v1/solve", b'{"image":' + b"[" * (4 * _MIB), JSON),
    "JSON of quotes": lambda t: t.post(
        "/v1/solve", b'{"image":"' + b'\\"' * (2 * _MIB) + b'"}', JSON
    ),
    "a form of escapes": lambda t: t.post("/check", b"img=" + b"%2B" * (_MIB + _MIB // 3), FORM),
    "a form of fields": lambda t: t.post("/check", b"img=&" * (4 * _MIB // 5), FORM),
    "a form of parts": lambda t: t.post(
        "/v1/solve", (_PART + b"\r\n") * 50_000 + b"--b--\r\n", FILES
    ),
    "JSON of escaped quotes": lambda t: t.post(
        "/v1/solve", b'{"image":"' + b'\\"' * 32_000 + b'"}', JSON
    ),
    "JSON of characters": lambda t: t.post(
        "/v1/solve", b'{"image":"' + b"\\u4e2d" * (_MIB * 2 // 3) + b'"}', JSON
    ),
    "addresses": lambda t: t.post(
        "/v1/solve", b'{"image":"","urls":["' + b'a","' * 8000 + b'"]}', JSON
    ),
    "a form of text": lambda t: t.post(
        "/v1/solve", _PART.replace(b"; filename", b"; a") + b"\xe4\xb8\xad" * _MIB, FILES
    ),
    "base64 in lines": lambda t: t.post("/check", b"img=" + b"QUFB%0A" * (_MIB // 2), FORM),
    "256 bad pictures": lambda t: t.post("/v1/solve-many", _bad_pictures(256), JSON),
    "1000 bad pictures": lambda t: t.post("/v1/solve-many", _bad_pictures(1000), JSON),
    "websockets": lambda t: _handshake(t, "websocket") + b"\x81\xfe\xff\xff" * 50_000,
    "upgrades to HTTP/2": lambda t: (
        _handshake(t, "h2c") + b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9000)
    ),
    "tunnels": lambda t: b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n" + bytes(100_000),
    "HTTP/1.0": lambda t: b"GET /openapi.json HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" * 20,
    "HTTP/0.9": lambda _: b"GET /openapi.json\r\n\r\n",
    "bytes that are no HTTP": lambda _: b"\x16\x03\x01\x02\x00" + os.urandom(4096),
    "odd heads": lambda t: b"GET /\x00 HTTP/1.1\r\nHost: a\x00b\r\nA\x01: \xff\r\n :\r\n\r\n",
    "two lengths": lambda t: (
        t.head("/v1/solve", "Content-Length: 5", "Transfer-Encoding: chunked")
        + b"\r\n0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"
    ),
    "long heads": lambda t: t.head("/v1/solve", *["A: " + "b" * 900] * 60) + b"\r\n",
    "long addresses": lambda t: t.head("/v1/solve?timeout=" + "9" * 40_000) + b"\r\n",
    "many ranges": lambda t: (
        t.head(
            "/site/sample-1.jpg",
            "Range: bytes=" + ",".join(f"{n}-{n}" for n in range(3000)),
            "Connection: close",
            method="GET",
        )
        + b"\r\n"
    ),
    "one key of repetition": lambda t: t.post(
        "/v1/solve", os.urandom(13_500), "image/jpeg", "Idempotency-Key: same"
    ),
    "hops without end": lambda t: t.post(
        "/check", b"", FORM, "X-Forwarded-For: " + "127.0.0.1, " * 2000, 'Forwarded: for="'
    ),
    "metrics": lambda t: t.head("/metrics", "Connection: close", method="GET") + b"\r\n",
    "whether it is ready": lambda t: (t.head("/readyz", method="GET") + b"\r\n") * 16,
    "as many captchas as go": lambda t: t.post("/v1/solve", os.urandom(13_500)),
}
