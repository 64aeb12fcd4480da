"""JSON with long strings left out says what JSON says."""

import asyncio
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producer.gateway.formats.long_json import LongJson
from tilefleet.errors import BadMessage, TooLarge

MOST = 1 << 20
LONG = st.builds(
    lambda text, times: text * times,
    st.text(alphabet='a"\\/中\n\x00=', min_size=1, max_size=6),
    st.integers(1, 300),
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | LONG,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(LONG, inner, max_size=3),
    max_leaves=8,
)


def parse(body: bytes) -> LongJson:
    return asyncio.run(LongJson.parse(body))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(LONG | st.none() | st.integers(), max_size=5), VALUES, st.booleans())
def test_it_gives_what_json_gives(images, other, escaped):
    body = json.dumps({"other": other, "images": images}, ensure_ascii=escaped).encode()
    read = parse(body)
    for found, wanted in zip(read.get("images"), images, strict=True):
        if isinstance(wanted, str):
            assert asyncio.run(read.text(found, MOST)) == wanted.encode()
        else:
            with pytest.raises(BadMessage):
                asyncio.run(read.text(found, MOST))
    assert read.get("nothing") is None


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text(alphabet='a"\\/u0d中😀\n', max_size=600), st.integers(13, 40), st.booleans())
def test_a_long_string_in_pieces_is_what_it_is_at_once(text, size, escaped):
    image = json.dumps(text, ensure_ascii=escaped).replace("/", "\\/")
    read = parse(f'{{"image": {image}}}'.encode())
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("producer.gateway.formats.long_json._SLICE", size)
        assert asyncio.run(read.text(read.get("image"), MOST)) == text.encode()


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.binary(max_size=400) | st.text(alphabet='{}[]",:\\a 1', max_size=900).map(str.encode))
def test_what_is_no_json_is_said_to_be_none(body):
    try:
        wanted = json.loads(body)
    except ValueError:
        wanted = None
    if not isinstance(wanted, dict):
        with pytest.raises(BadMessage):
            parse(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'"a"',
        b"{",
        b'{"a": "' + b"a" * 9999,
        b'{"a": "' + b"a" * 9999 + b'\\"',
        b"[" * 100_000,
        b'{"a": [' + b"1," * 100_000 + b"1]}",
        b'{"a": ' + b" " * (2 << 20) + b"1}",
        b'{"a": ' + b"1" * (2 << 20) + b"}",
    ],
)
def test_what_is_refused(body):
    with pytest.raises(BadMessage):
        parse(body)


def test_a_long_string_is_refused_before_it_is_copied():
    read = parse(b'{"image": "' + b"a" * 2000 + b'"}')
    with pytest.raises(TooLarge, match="2000 characters of base64; at most 1999"):
        asyncio.run(read.text(read.get("image"), 1999))


def test_what_is_needed_and_not_there_is_named():
    read = parse(b'{"imgae": "aGVsbG8="}')
    with pytest.raises(BadMessage, match='without "image"'):
        read.needed("image")
    assert parse(b'{"image": null}').needed("image") is None
