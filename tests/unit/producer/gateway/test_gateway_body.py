"""What a form's field holds, as the standard library reads it."""

import asyncio
import base64
from urllib.parse import parse_qs, quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from producer.gateway import body
from tilefleet.errors import BadMessage

BASE64 = "data:image/jpeg;base64,ab+/cd//++=="


def field(form: bytes, kind: str = "application/x-www-form-urlencoded; charset=UTF-8"):
    headers = [(b"content-type", kind.encode())]
    request = Request({"type": "http", "headers": headers, "app": None})
    return asyncio.run(body.field(request, form, "img"))


@pytest.mark.parametrize(
    "form",
    [
        f"img={BASE64}",
        f"img={quote(BASE64)}&other=1",
        f"other=img=1&img={quote_plus(BASE64)}",
        f"img={quote_plus(BASE64).lower()}",
        "notimg=1&img=%252B%2520%25+%zz%",
        "img=first&img=second",
        "other=&img=first&img=",
        "img=&img=second",
        "img=%E4%B8%AD%e6%96%87",
        # What quoted-printable has a meaning for.
        "img=%2B%\n&x",
        "img=%2B%\r",
        "img=%2B%%2B",
        "img=%3D%",
        "img=_ab%3",
    ],
)
def test_a_field_is_what_the_standard_library_reads(form):
    """Of several the first, which is what the old servers' frameworks gave them."""
    assert field(form.encode()).decode() == parse_qs(form, keep_blank_values=True)["img"][0]


@pytest.mark.parametrize("form", ["", "&&&", "image=1", "img", "img2=1&2img=3"])
def test_a_field_that_is_not_there(form):
    assert field(form.encode()) is None


def test_other_kinds_of_bodies_have_no_fields():
    assert field(b"img=1", "text/plain") is None


def at_once(text):
    try:
        return body.decode(text)
    except BadMessage as error:
        return str(error)


def in_turns(text):
    try:
        return asyncio.run(body.decode_long(Request({"type": "http", "headers": []}), text))
    except BadMessage as error:
        return str(error)


@pytest.mark.parametrize(
    "text",
    [
        base64.b64encode(bytes(range(256)) * 1024),
        base64.encodebytes(bytes(range(256)) * 1024),
        b" data:image/png;base64," + base64.urlsafe_b64encode(bytes(range(256)) * 1024) + b" \n",
        base64.b64encode(bytes(range(256)) * 1024).replace(b"+", b" ").rstrip(b"="),
        b"  " + base64.b64encode(bytes(range(256)) * 1024) + b"  ",
        b"A" * (1 << 18) + b"*",
        b"*" * (1 << 18),
        b" " * (1 << 18),
        b"data:" * (1 << 16),
    ],
)
def test_long_base64_in_turns_is_what_it_is_at_once(text):
    assert in_turns(text) == at_once(text)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.binary(max_size=60).map(base64.b64encode)
    | st.text("aA0+/-_= \r\n\t'", max_size=60).map(str.encode),
    st.text("=\n A*", max_size=4).map(str.encode),
    st.integers(1, 9),
)
def test_wherever_it_is_cut(text, end, size):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(body, "_MOST_SLICE", size)
        assert in_turns(text + end) == at_once(text + end)


@pytest.mark.parametrize(
    "written",
    [
        b"DATA:IMAGE/JPEG;BASE64,%b",
        b'"%b"',
        b"'data:image/png;base64,%b'",
        b'"data:image/png;base64,%b"\r\n',
        b"\xef\xbb\xbf%b\0",
        b"\v\f %b\v",
    ],
)
def test_base64_is_read_with_what_programs_leave_around_it(written):
    request = Request({"type": "http", "headers": []})
    for picture in (b"a", b"any picture", bytes(range(256)) * 1024):
        text = base64.b64encode(picture)
        for each in (text, text.rstrip(b"="), b"\v\n".join((text[:4], text[4:]))):
            assert body.decode(written % each) == picture
            assert asyncio.run(body.decode_long(request, written % each)) == picture


def test_a_form_where_one_picture_is_wanted_has_few_files():
    part = b'--b\r\nContent-Disposition: form-data; name="img"; filename="a"\r\n\r\nx\r\n'
    kind = "multipart/form-data; boundary=b"
    assert field(part * 16 + b"--b--\r\n", kind) == b"x"
    with pytest.raises(BadMessage, match="Too many files"):
        field(part * 17 + b"--b--\r\n", kind)
