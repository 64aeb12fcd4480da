"""Nothing that a client sends holds the gateway's event loop."""

import base64
import json

import pytest

from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tests.support.running.fleet import NULL
from tests.support.running.watchdog import watched_gateway

MIB = 1 << 20
MOST_S = 0.05
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
FILES = "multipart/form-data; boundary=b"
PART = b'--b\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\n'
TEXT, END = b'--b\r\nContent-Disposition: form-data; name="img"\r\n\r\n', b"\r\n--b--\r\n"
PICTURE = base64.b64encode(bytes(MIB)).decode()


def listed(*images):
    return json.dumps({"images": images}).encode()


def image(text: bytes):
    return b'{"image": "%b"}' % text


#: Where, of which kind, and what: as much as is accepted, in its slowest form.
BODIES = {
    "a form of broken escapes": ("/check", FORM, lambda: b"img=" + b"%zz" * 1_390_000),
    "a form of escapes": ("/check", FORM, lambda: b"img=" + b"%2B" * 1_390_000),
    "a form of line ends": ("/check", FORM, lambda: b"img=" + b"%\n" * (2 * MIB)),
    "a form of nothing": ("/check", FORM, lambda: b"&" * (4 * MIB)),
    "a form of fields": ("/check", FORM, lambda: b"img=&" * (4 * MIB // 5)),
    "a form of spaces": ("/check", FORM, lambda: b"img=" + b" " * (4 * MIB)),
    "a form of data": ("/check", FORM, lambda: b"img=" + b"data:" * (4 * MIB // 5)),
    "nested lists": ("/v1/solve", JSON, lambda: b"[" * (4 * MIB)),
    "empty lists": ("/v1/solve", JSON, lambda: b'{"a":[' + b"[]," * MIB + b"[]]}"),
    "empty objects": ("/v1/solve", JSON, lambda: b'{"a":' * (MIB // 2)),
    "quotes": ("/v1/solve", JSON, lambda: image(b'\\"' * (2 * MIB))),
    "few quotes": ("/v1/solve", JSON, lambda: image(b'\\"' * 32_000)),
    "addresses": ("/v1/solve", JSON, lambda: b'{"urls":[' + b'"a",' * 10_000 + b'""]}'),
    "text in a form": ("/v1/solve-many", FILES, lambda: TEXT + "中".encode() * (20 * MIB) + END),
    "text of a form": ("/check", FILES, lambda: TEXT + "中".encode() * MIB + END),
    "base64 in lines": ("/check", FORM, lambda: b"img=" + b"QUFB%0A" * (MIB // 2)),
    "backslashes": ("/v1/solve", JSON, lambda: image(b"\\\\" * (2 * MIB))),
    "escaped strokes": ("/v1/solve", JSON, lambda: image(b"\\/" * (2 * MIB))),
    "escaped characters": ("/v1/solve", JSON, lambda: image(b"\\u4e2d" * (4 * MIB // 6))),
    "characters": ("/v1/solve", JSON, lambda: image("中".encode() * (4 * MIB // 3))),
    "digits": ("/v1/solve", JSON, lambda: b'{"image":' + b"9" * (4 * MIB) + b"}"),
    "white space": ("/v1/solve", JSON, lambda: b" " * (4 * MIB) + b"{}"),
    "a list of numbers": ("/v1/solve-many", JSON, lambda: listed(*[0] * MIB)),
    "a list of names": ("/v1/solve-many", JSON, lambda: listed(*["a"] * (4 * MIB))),
    "a long list": ("/v1/solve-many", JSON, lambda: listed(*[PICTURE] * 45)),
    "a long picture": ("/v1/solve-many", JSON, lambda: listed("A" * (63 * MIB))),
    "a list of digits": ("/v1/solve-many", JSON, lambda: b'{"images":[' + b"9" * (63 * MIB)),
    "a file": ("/v1/solve-many", FILES, lambda: PART + bytes(63 * MIB) + b"\r\n--b--\r\n"),
    "files": ("/v1/solve-many", FILES, lambda: (PART + bytes(MIB) + b"\r\n") * 60 + b"--b--\r\n"),
    "line ends in a file": ("/v1/solve", FILES, lambda: PART + b"\r\n-" * MIB + b"\r\n--b--\r\n"),
    "parts": ("/v1/solve", FILES, lambda: (PART + b"\r\n") * 60_000 + b"--b--\r\n"),
    "a header of a part": ("/v1/solve", FILES, lambda: b"--b\r\nA: " + b"a" * (4 * MIB)),
}


@pytest.fixture(scope="module")
def watched():
    with (
        EmbeddedServer("--proto-max-bulk-len", "64mb") as own,
        WorkerProcess(own.url, environ=NULL),
        watched_gateway(own.url) as (client, watchdog),
    ):
        yield client, watchdog


@pytest.mark.parametrize("name", BODIES)
def test_no_body_holds_the_loop(watched, name):
    client, watchdog = watched
    path, kind, make = BODIES[name]
    body = make()
    watchdog.worst_s = 0.0
    reply = client.post(path, content=body, headers={"content-type": kind})
    assert reply.status_code in (200, 400, 413), reply.text
    assert watchdog.worst_s < MOST_S, watchdog.worst
