"""What a form's field holds, as the standard library reads it."""

import asyncio
from urllib.parse import parse_qs, quote, quote_plus

import pytest
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


def test_a_form_where_one_picture_is_wanted_has_few_files():
    part = b'--b\r\nContent-Disposition: form-data; name="img"; filename="a"\r\n\r\nx\r\n'
    kind = "multipart/form-data; boundary=b"
    assert field(part * 16 + b"--b--\r\n", kind) == b"x"
    with pytest.raises(BadMessage, match="Too many files"):
        field(part * 17 + b"--b--\r\n", kind)
