"""What a hostile or broken sender might send."""

import base64
import io
import json
import struct

import msgpack
from hypothesis import strategies as st
from PIL import Image

from models import wire
from tests.conftest import SAMPLES

_SAMPLE = min(SAMPLES.glob("*.jpg")).read_bytes()


def _as(kind: str) -> bytes:
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(_SAMPLE)) as image:
        image.convert("P" if kind == "GIF" else "RGB").save(buffer, kind)
    return buffer.getvalue()


PICTURES = [_SAMPLE, *(_as(kind) for kind in ("PNG", "GIF", "BMP", "WEBP"))]


@st.composite
def broken_pictures(draw) -> bytes:
    """A picture that was cut, flipped in places, glued, or lies about its size."""
    data = bytearray(draw(st.sampled_from(PICTURES)))
    for _ in range(draw(st.integers(1, 4))):
        where = draw(st.integers(0, max(0, len(data) - 1)))
        how = draw(st.sampled_from(["cut", "flip", "glue", "repeat", "number", "drop"]))
        if how == "cut":
            del data[where:]
        elif how == "flip" and data:
            data[where] ^= draw(st.integers(1, 255))
        elif how == "glue":
            data += draw(st.binary(max_size=64))
        elif how == "repeat":
            data[where:where] = data[where : where + draw(st.integers(1, 2000))]
        elif how == "number":
            number = draw(st.sampled_from([0, 1, 65535, 0x7FFFFFFF, 0xFFFFFFFF]))
            form = draw(st.sampled_from([">I", "<I"]))
            data[where : where + 4] = struct.pack(form, number)
        else:
            del data[where : where + draw(st.integers(1, 2000))]
    return bytes(data)


#: What arrives as an image.
images = st.one_of(
    broken_pictures(),
    st.binary(max_size=300),
    st.sampled_from([b"", b"GIF89a", b"\xff\xd8\xff", b"<html>", b"RIFF\0\0\0\0WEBPVP8 "]),
)
_numbers = st.integers(-(2**60), 2**60)
not_bytes = st.one_of(st.none(), _numbers, st.text(max_size=20), st.lists(_numbers))

_plain = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**40), 2**40), st.floats(), st.text(max_size=30)
)
_json = st.recursive(
    _plain,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=8,
)
_packed = st.one_of(
    st.binary(max_size=60),
    st.tuples(
        st.one_of(st.lists(st.one_of(images, not_bytes), max_size=3), _plain),
        st.one_of(st.just({}), st.dictionaries(st.text(max_size=5), _plain, max_size=2), _plain),
        st.one_of(st.just({}), st.dictionaries(st.sampled_from(["chord", "chain"]), st.none())),
    ).map(lambda triple: msgpack.packb(triple, strict_types=False)),
    _json.map(lambda value: json.dumps(value).encode()),
)
_names = st.sampled_from([wire.TASK_SOLVE, wire.TASK_SOLVE_MANY, "nothing.here"])
_headers = st.fixed_dictionaries(
    {},
    optional={
        "task": st.one_of(_names, _json),
        "id": st.one_of(st.uuids().map(str), _json),
        "lang": _plain,
        "expires": _plain,
        "eta": st.one_of(st.none(), st.text(max_size=20)),
        "retries": _plain,
        "timelimit": _json,
        "group": _plain,
        "root_id": _plain,
        "parent_id": _plain,
        "argsrepr": _json,
        "shadow": _plain,
        "stamps": _json,
        "stamped_headers": _json,
        "ignore_result": _plain,
    },
)


@st.composite
def _messages(draw) -> dict:
    """Nearly what kombu writes, with something else in some of its places."""
    message = {
        "body": base64.b64encode(draw(_packed)).decode(),
        "content-encoding": "binary",
        "content-type": "application/x-msgpack",
        "headers": {"task": wire.TASK_SOLVE, "id": str(draw(st.uuids())), **draw(_headers)},
        "properties": {
            "body_encoding": "base64",
            "delivery_tag": "any",
            "delivery_info": {"exchange": "", "routing_key": wire.LANE},
            "priority": 0,
        },
    }
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.sampled_from(list(message)))
        what = draw(st.sampled_from(["drop", "other", "inside"]))
        if what == "drop":
            del message[place]
        elif what == "other" or not isinstance(message[place], dict):
            message[place] = draw(
                st.one_of(_json, st.sampled_from(["application/json", "application/data", "utf-8"]))
            )
        elif message[place]:
            message[place][draw(st.sampled_from(sorted(message[place])))] = draw(_json)
        if not message:
            break
    return message


#: What is found on a queue.
texts = st.one_of(
    _messages().map(json.dumps),
    _json.map(json.dumps),
    st.text(max_size=100),
    st.binary(max_size=100),
    st.integers(1, 3000).map(lambda depth: "[" * depth),
)
