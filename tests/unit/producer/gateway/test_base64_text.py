"""Base64 as clients write it, at once and in turns."""

import asyncio
import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producer.gateway.formats import base64_text
from tilefleet.errors import BadMessage


async def turn():
    pass


def at_once(text):
    try:
        return base64_text.decode(text)
    except BadMessage as error:
        return str(error)


def in_turns(text):
    try:
        return asyncio.run(base64_text.decode_long(text, turn))
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
        patched.setattr(base64_text, "_SLICE", size)
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
    for picture in (b"a", b"any picture", bytes(range(256)) * 1024):
        text = base64.b64encode(picture)
        for each in (text, text.rstrip(b"="), b"\v\n".join((text[:4], text[4:]))):
            assert base64_text.decode(written % each) == picture
            assert asyncio.run(base64_text.decode_long(written % each, turn)) == picture
