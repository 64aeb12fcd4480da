"""What clients of old servers send, each in its own spelling, and every byte that they get.

Sockets, not a library: a library would write and read what it likes to.
"""

import asyncio
import base64
import json
import re
import socket
from urllib.parse import quote, quote_plus

import pytest
from starlette.requests import Request

from producer.gateway import body
from producer.gateway.formats import base64_text
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tests.support.running.fleet import NULL, STRANGE, wait_until
from tests.support.running.gateway import gateway

FORM, JSON = "application/x-www-form-urlencoded", "application/json"
#: Its base64 has every sign that spellings differ in, and padding.
PICTURE = b"a picture of nothing \xfb\xff\xbf\xfb\xef" * 9 + b"!"
BASE64 = base64.b64encode(PICTURE).decode()
URL_SAFE = base64.urlsafe_b64encode(PICTURE).decode()
LINES = base64.encodebytes(PICTURE).decode()
assert {"+", "/", "="} <= set(BASE64)

#: How the same picture is written in a form's field, and as a JSON string.
IN_A_FORM = {
    "escaped": quote(BASE64, safe=""),
    "escaped as forms are": quote_plus(BASE64),
    "plain, its + a space then": BASE64,
    "lower-case escapes": re.sub("%..", lambda found: found[0].lower(), quote(BASE64, safe="")),
    "URL-safe": URL_SAFE,
    "URL-safe, no padding": URL_SAFE.rstrip("="),
    "no padding": quote_plus(BASE64.rstrip("=")),
    "lines of 76": quote_plus(LINES),
    "lines of Windows": quote_plus(LINES.replace("\n", "\r\n")),
    "lines that begin with spaces": quote_plus(LINES.replace("\n", "\n    ")),
    "lines as they are": LINES,
    "spaces around": f"+%20{quote_plus(BASE64)}+%0D%0A",
    "a picture's prefix": quote_plus("data:image/jpeg;base64," + BASE64),
    "a prefix as it is": "data:image/jpg;base64," + BASE64,
    "a prefix, then a space": "data:image/png;base64,+" + quote_plus(BASE64),
    "a prefix and lines": quote_plus("data:image/jpeg;base64,\r\n" + LINES),
    "a short prefix": quote_plus("data:," + BASE64),
}
IN_JSON = {
    "plain": BASE64,
    "lines": LINES,
    "a prefix": "data:image/jpeg;base64," + BASE64,
    "URL-safe": URL_SAFE,
    "spaces for +": BASE64.replace("+", " "),
}

CODE_SERVER = ('{"code":0,"massage":"识别成功","data":["1"]}', JSON)
OCR = ('{"msg":"success","result":[1]}', JSON)
CLICKS = ('{"code":0,"msg":"成功","data":"40,77"}', JSON + ";charset=UTF-8")
#: Path, the field, what it answers.
PATHS = [
    ("/verify/base64/", "imageFile", CODE_SERVER),
    ("/verify/base64", "imageFile", CODE_SERVER),
    ("/check", "img", OCR),
    ("/check/", "img", OCR),
    ("/result/base64", "base64String", CLICKS),
    ("/result/base64/", "base64String", CLICKS),
]
NOTHING = [
    ("/verify/base64/", "imageFile", ('{"code":1,"massage":"识别失败","data":[]}', JSON)),
    ("/check", "img", ('{"msg":"success","result":""}', JSON)),
    ("/result/base64", "base64String", ('{"code":0,"msg":"成功","data":""}', CLICKS[1])),
    (
        "/predict/base64",
        "base64String",
        ('{"code":0,"msg":"成功","data":{"questions":[],"pictures":[]}}', CLICKS[1]),
    ),
]
NO_FIELD = [
    ("/verify/base64/", ('{"code":1,"massage":"识别失败","data":[]}', JSON)),
    ("/check", ('{"msg":"Wrong format. "}', JSON)),
    ("/check/", ('{"msg":"Wrong format. "}', JSON)),
    ("/result/base64", ('{"code":10,"msg":"Base64文件不能为空","data":null}', CLICKS[1])),
    ("/predict/base64", ('{"code":10,"msg":"Base64文件不能为空","data":null}', CLICKS[1])),
    ("/result/pic", ('{"code":1,"msg":"上传的文件不能为空","data":null}', CLICKS[1])),
    ("/predict/pic/", ('{"code":1,"msg":"上传的文件不能为空","data":null}', CLICKS[1])),
]


@pytest.fixture(scope="module")
def fleet():
    with EmbeddedServer() as server, WorkerProcess(server.url, *STRANGE, environ=NULL):
        yield server


@pytest.fixture(scope="module")
def client(fleet):
    """Before workers that see tile 1, the 打字机, in everything."""
    with gateway(fleet.url) as client:
        wait_until(lambda: client.get("/readyz").status_code == 200)
        yield client


def exchange(client, request: bytes) -> bytes:
    """All that comes back, up to the end of the connection."""
    with socket.create_connection(("127.0.0.1", client.base_url.port), timeout=20) as line:
        line.sendall(request)
        return b"".join(iter(lambda: line.recv(65536), b""))


def post(client, path: str, sent: bytes, *headers: str) -> bytes:
    head = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1:8000", *headers]
    head += [f"Content-Length: {len(sent)}", "Connection: close", "", ""]
    return exchange(client, "\r\n".join(head).encode() + sent)


def expected(reply: bytes, text: str, kind: str) -> bytes:
    """The one right reply, at the time that `reply` names."""
    when = re.search(rb"\r\nDate: (\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT)\r\n", reply)
    assert when, reply
    head = (
        f"HTTP/1.1 200 OK\r\nDate: {when[1].decode()}\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(text.encode())}\r\nConnection: close\r\n\r\n"
    )
    return (head + text).encode()


@pytest.mark.parametrize(("path", "field", "answer"), PATHS)
def test_a_form_is_answered_to_the_byte_however_its_picture_is_written(client, path, field, answer):
    wrong = {}
    for name, text in IN_A_FORM.items():
        for form in (f"{field}={text}", f"other=1&{field}={text}&more=%2B"):
            reply = post(client, path, form.encode(), f"Content-Type: {FORM}; charset=UTF-8")
            if reply != expected(reply, *answer):
                wrong[name] = reply
    assert wrong == {}


@pytest.mark.parametrize(("path", "field", "answer"), PATHS)
def test_json_is_answered_as_a_form_is_whatever_kind_it_says_that_it_is(
    client, path, field, answer
):
    wrong = {}
    for name, text in IN_JSON.items():
        for kind in ([f"Content-Type: {JSON}; charset=utf-8"], [f"Content-Type: {FORM}"], []):
            for sent in (
                json.dumps({field: text}),
                # With strokes escaped, a mark of byte order in front, and fields of others.
                "\ufeff" + json.dumps({"type": 1, field: text}, indent=2).replace("/", "\\/"),
            ):
                reply = post(client, path, sent.encode(), *kind)
                if reply != expected(reply, *answer):
                    wrong[name, *kind] = reply
    assert wrong == {}


def test_every_spelling_is_the_same_bytes():
    """The fleet above sees something in whatever comes."""

    async def read(text: str, kind: str) -> bytes:
        request = Request({"type": "http", "headers": [(b"content-type", kind.encode())]})
        return base64_text.decode(await body.field(request, text.encode(), "img") or b"")

    forms = {name: asyncio.run(read(f"img={text}", FORM)) for name, text in IN_A_FORM.items()}
    assert forms == dict.fromkeys(IN_A_FORM, PICTURE)
    listed = {name: json.dumps({"img": text}) for name, text in IN_JSON.items()}
    assert {name: asyncio.run(read(text, JSON)) for name, text in listed.items()} == dict.fromkeys(
        IN_JSON, PICTURE
    )


@pytest.mark.parametrize(("path", "field", "answer"), NOTHING)
def test_what_cannot_be_read_is_nothing_found(client, path, field, answer):
    for text in ("%zz", "no base64!", "a", "data:image/jpeg;base64,§", "https://a.example/b.jpg"):
        for kind, sent in ((FORM, f"{field}={quote(text)}"), (JSON, json.dumps({field: text}))):
            reply = post(client, path, sent.encode(), f"Content-Type: {kind}")
            assert reply == expected(reply, *answer), text


@pytest.mark.parametrize(("path", "answer"), NO_FIELD)
@pytest.mark.parametrize(
    ("kind", "sent"),
    [
        (None, b""),
        (FORM, b""),
        (FORM, b"other=1"),
        (FORM, b"image=YQ=="),
        (JSON, b"{}"),
        (JSON, b'{"img": 1, "imageFile": null, "base64String": [], "file": {}}'),
        (JSON, b"[]"),
        (JSON, b'{"img": "YQ=='),
        ("multipart/form-data; boundary=b", b"--b--\r\n"),
        ("multipart/form-data; boundary=b", b"no form"),
        ("multipart/form-data", b"--b\r\n"),
        ("text/plain", b"img=YQ=="),
    ],
)
def test_where_the_field_is_missing_it_is_said_as_it_was(client, path, answer, kind, sent):
    reply = post(client, path, sent, *([f"Content-Type: {kind}"] if kind else []))
    assert reply == expected(reply, *answer)


@pytest.mark.parametrize("path", ["/result/pic", "/result/pic/"])
def test_files_of_forms_are_read_as_they_are(client, path):
    part = b'--b\r\nContent-Disposition: form-data; name="%b"; filename="a.jpg"\r\n'
    form = part % b"file" + b"Content-Type: image/jpeg\r\n\r\n" + PICTURE + b"\r\n--b--\r\n"
    reply = post(client, path, form, "Content-Type: multipart/form-data; boundary=b")
    assert reply == expected(reply, *CLICKS)
    form = part % b"other" + b"\r\n" + PICTURE + b"\r\n--b--\r\n"
    reply = post(client, path, form, "Content-Type: multipart/form-data; boundary=b")
    assert reply == expected(reply, *NO_FIELD[5][1])


def test_labels_come_with_their_keys_in_order(client):
    form = f"base64String={quote_plus(BASE64)}".encode()
    reply = post(client, "/predict/base64", form, f"Content-Type: {FORM}")
    text = reply.partition(b"\r\n\r\n")[2].decode()
    pictures = json.loads(text)["data"]["pictures"]
    listed = ",".join(
        f'{{"x":{number % 4},"y":{number // 4},"desc":"{each["desc"]}"}}'
        for number, each in enumerate(pictures)
    )
    data = f'{{"questions":["打字机"],"pictures":[{listed}]}}'
    assert reply == expected(reply, f'{{"code":0,"msg":"成功","data":{data}}}', CLICKS[1])


def test_parameters_of_the_address_count_as_fields(client):
    for path, field, answer in PATHS:
        reply = post(client, f"{path}?{field}={quote(URL_SAFE)}", b"")
        assert reply == expected(reply, *answer), path


def test_a_connection_is_kept_and_the_oldest_http_is_answered(client):
    form = f"img={quote_plus(BASE64)}".encode()
    one = f"POST /check HTTP/1.1\r\nHost: a\r\nContent-Type: {FORM}\r\n"
    kept = f"{one}Content-Length: {len(form)}\r\n\r\n".encode() + form
    last = f"{one}Connection: close\r\nContent-Length: {len(form)}\r\n\r\n".encode() + form
    first, second, rest = re.split(rb"(?=HTTP/1.1 )", exchange(client, kept + last))[0:3]
    assert first == b""
    assert second.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") == expected(second, *OCR)
    assert rest == expected(rest, *OCR)
    old = f"POST /check HTTP/1.0\r\nContent-Type: {FORM}\r\nContent-Length: {len(form)}\r\n\r\n"
    reply = exchange(client, old.encode() + form)
    assert reply == expected(reply, *OCR)


def test_the_oldest_server_says_hello(client):
    reply = exchange(client, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert reply.replace(b"Vary: Accept\r\n", b"") == expected(
        reply, "Hello World!", "text/html; charset=utf-8"
    )


def test_other_paths_keep_the_names_of_http_2(client):
    reply = exchange(client, b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert b"\r\ncontent-type: " in reply
