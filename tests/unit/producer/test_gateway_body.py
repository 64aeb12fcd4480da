"""What a form's field holds, as the standard library reads it."""

import asyncio
from urllib.parse import parse_qs, quote, quote_plus

import pytest
from starlette.requests import Request

from producer.gateway import body

BASE64 = "data:image/jpeg;base64,ab+/cd//++=="


def field(form: bytes, kind: str = "application/x-www-form-urlencoded; charset=UTF-8"):
    request = Request({"type": "http", "headers": [(b"content-type", kind.encode())]})
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
    assert field(form.encode()).decode() == parse_qs(form)["img"][-1]


@pytest.mark.parametrize("form", ["", "&&&", "image=1", "img", "img2=1&2img=3"])
def test_a_field_that_is_not_there(form):
    assert field(form.encode()) is None


def test_other_kinds_of_bodies_have_no_fields():
    assert field(b"img=1", "text/plain") is None
