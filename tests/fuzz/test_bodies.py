"""Whatever is in a body or in a head's fields: what it should be, or an error of ours."""

import asyncio
import base64
from ipaddress import ip_address
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException
from starlette.requests import Request

from producer.gateway import body
from producer.gateway.formats import base64_text
from producer.gateway.visitors.pages import Pages
from producer.gateway.visitors.proxies import UNKNOWN, Proxies, is_loopback
from tests.fuzz.effort import corpus, fuzz
from tilefleet.errors import BadMessage, BadRequest

KINDS = [
    "application/x-www-form-urlencoded",
    "application/json",
    "multipart/form-data; boundary=b",
    "multipart/form-data; boundary=",
    "text/plain",
    "",
]


def told(error: Exception) -> None:
    assert 0 < len(str(error)) < 1000


def field(kind: str, sent: bytes) -> bytes | None:
    head = [(b"content-type", kind.encode())]
    request = Request({"type": "http", "headers": head, "app": None})
    try:
        return asyncio.run(body.field(request, sent, "img"))
    except BadRequest as error:
        told(error)
        return None


def decode(text: bytes) -> bytes | None:
    try:
        return base64_text.decode(text)
    except BadMessage as error:
        told(error)
        return None


@pytest.mark.parametrize("why", corpus("bodies"))
def test_what_failed_once(why):
    sent = corpus("bodies")[why]
    for kind in KINDS:
        decode(field(kind, sent) or b"")
    decode(sent)


PARTS = [
    *(
        b"img=",
        b"&",
        b"%",
        b"%2B",
        b"+",
        b"%zz",
        b"=",
        b"\xff",
        b"\x00",
        b"\r\n",
        b"data:,",
        b"YQ==",
    ),
    *(
        b'{"img": "',
        b'"}',
        b"\\u12",
        b'\\"',
        b"[",
        b"{",
        b"\xef\xbb\xbf",
        b"--b\r\n",
        b"--b--",
        b"\n",
    ),
    *(b'Content-Disposition: form-data; name="img"', b'; filename="', b"Content-Length: 1", b": "),
]


@fuzz(300, 10_000, 50_000)
@given(
    kind=st.sampled_from(KINDS),
    sent=st.lists(st.sampled_from(PARTS) | st.binary(max_size=6), max_size=12).map(b"".join),
)
def test_any_body_has_a_field_or_has_none(kind, sent):
    decode(field(kind, sent) or b"")


@fuzz(300, 10_000, 50_000)
@given(text=st.text(st.sampled_from("aA0+/-_= \r\n\t,:;data%\xff")).map(lambda each: each.encode()))
def test_any_text_is_base64_or_is_not(text):
    decode(text)


@st.composite
def spellings(draw):
    """A picture, and a form's field in which it is, as some client writes it."""
    # No kind of picture begins with a byte whose base64 is a +, which a form makes a space.
    picture = draw(st.sampled_from([b"\xff\xd8", b"\x89P", b"GIF", b"BM", b"RIFF"]))
    picture += draw(st.binary(max_size=120))
    text = base64.b64encode(picture).decode()
    if draw(st.booleans()):
        text = text.replace("+", "-").replace("/", "_")
    if draw(st.booleans()):
        text = text.rstrip("=")
    every = draw(st.sampled_from([0, 4, 64, 76]))
    if every:
        end = draw(st.sampled_from(["\n", "\r\n"]))
        text = end.join(text[at : at + every] for at in range(0, len(text), every))
    text = draw(st.sampled_from(["", "data:,", "data:image/jpeg;base64,", " ", "\n"])) + text
    # A + at the end that nobody escaped is a space there, and is gone with others.
    plain = draw(st.booleans()) and not text.endswith("+")
    return picture, "img=" + (text if plain else quote_plus(text))


@fuzz(300, 10_000, 50_000)
@given(spelled=spellings())
def test_a_picture_is_the_same_however_it_is_written(spelled):
    picture, form = spelled
    assert decode(field(KINDS[0], form.encode()) or b"") == picture


# Fields of heads ----------------------------------------------------------------------------------

FAR, NEAR = "203.0.113.9", "127.0.0.1"
PROXIES = Proxies("127.0.0.0/8,10.0.0.0/8,::1/128")
WORDS = [
    *(
        "127.0.0.1",
        "10.0.0.1",
        "::1",
        "[::1]:80",
        "for=",
        "For=",
        '"',
        "\\",
        ",",
        ";",
        "=",
        " ",
        "\t",
    ),
    *("unknown", "_a", "192.0.2.1", "proto=http", "by=", "[", "]", "%", "\xff", "\x00", "::ffff:"),
]
SAID = st.lists(st.sampled_from(WORDS) | st.text(max_size=3), max_size=10).map("".join)


@fuzz(500, 10_000, 50_000)
@given(said=SAID, name=st.sampled_from([b"x-forwarded-for", b"forwarded"]))
def test_nothing_that_a_client_says_first_makes_it_this_machine(said, name):
    added = f", for={FAR}" if name == b"forwarded" else f", {FAR}"
    sent = said.encode("utf-8", "replace")
    for fields in (
        [(name, sent + added.encode())],
        [(name, sent), (name, added.removeprefix(", ").encode())],
    ):
        found = PROXIES.client(NEAR, fields)
        assert found in (FAR, UNKNOWN)
        assert not is_loopback(found)
    # Alone it is somebody, or nobody.
    found = PROXIES.client(NEAR, [(name, sent)])
    assert found == UNKNOWN or ip_address(found)


@fuzz(500, 10_000, 50_000)
@given(
    host=SAID | st.text(max_size=30),
    origin=SAID | st.text(max_size=20).map("https://".__add__),
    named=st.booleans(),
)
def test_any_names_are_ours_or_refused(host, origin, named):
    pages = Pages(["gw.example"] if named else [], ["https://b.example"])
    fields = [
        (b"host", host.encode("utf-8", "replace")),
        (b"origin", origin.encode("utf-8", "replace")),
    ]
    scope = {"type": "http", "method": "POST", "server": (NEAR, 8000), "headers": fields}
    try:
        pages.check(scope)
    except HTTPException as error:
        told(error)
