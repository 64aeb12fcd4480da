"""What a hostile or broken sender might send: pictures first, then messages."""

import base64
import io
import json
import struct
import zlib

import msgpack
from hypothesis import strategies as st
from PIL import Image

from tests.conftest import SAMPLES
from tilefleet import wire

_SAMPLE = min(SAMPLES.glob("*.jpg")).read_bytes()


def picture(kind: str, **options) -> bytes:
    """A good captcha in another format."""
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(_SAMPLE)) as image:
        image.convert("P" if kind == "GIF" else "RGB").save(buffer, kind, **options)
    return buffer.getvalue()


PICTURES = [_SAMPLE, *(picture(kind) for kind in ("PNG", "GIF", "BMP", "WEBP"))]


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def resized(data: bytes, width: int, height: int) -> bytes:
    """The same file, whose header says that it has another size."""
    low_width, low_height = width & 0xFFFF, height & 0xFFFF
    if data.startswith(b"\x89PNG"):
        head = struct.pack(">II", width, height) + data[24:29]
        return data[:8] + chunk(b"IHDR", head) + data[33:]
    if data.startswith(b"GIF"):
        return data[:6] + struct.pack("<HH", low_width, low_height) + data[10:]
    if data.startswith(b"BM"):
        return data[:18] + struct.pack("<II", width, height) + data[26:]
    if data.startswith(b"RIFF"):
        return data[:26] + struct.pack("<HH", low_width, low_height) + data[30:]
    frame = data.find(b"\xff\xc0")
    sizes = struct.pack(">HH", low_height, low_width)
    return data[: frame + 5] + sizes + data[frame + 9 :]


#: A bomb's sizes among them.
_SIZES = st.sampled_from([0, 1, 190, 292, 293, 294, 3000, 16383, 65535, 2**31 - 1, 2**32 - 1])
#: What begins a part of a file: of a JPEG, a PNG, a GIF, a WebP.
_MARKS = [b"\xff\xc4", b"\xff\xda", b"\xff\xdb", b"IDAT", b"IHDR", b"\x21\xf9", b"\x2c", b"VP8"]


@st.composite
def broken_pictures(draw) -> bytes:
    """A picture that was cut, flipped in places, glued, or lies about its size."""
    data = bytearray(draw(st.sampled_from(PICTURES)))
    if draw(st.integers(0, 4)) == 0:
        data = bytearray(resized(bytes(data), draw(_SIZES), draw(_SIZES)))
    for _ in range(draw(st.integers(1, 4))):
        where = draw(st.integers(0, max(0, len(data) - 1)))
        if draw(st.booleans()):
            # Near the beginning or a mark, where the formats are.
            found = data.find(draw(st.sampled_from(_MARKS)), where)
            where = max(0, found - 4) if found >= 0 else where % 64
        how = draw(
            st.sampled_from(["cut", "bit", "byte", "glue", "repeat", "number", "drop", "other"])
        )
        if how == "cut":
            del data[where:]
        elif how == "bit" and data:
            data[where] ^= 1 << draw(st.integers(0, 7))
        elif how == "byte" and data:
            data[where] ^= draw(st.integers(1, 255))
        elif how == "glue":
            data += draw(st.binary(max_size=64))
        elif how == "repeat":
            part = data[where : where + draw(st.integers(1, 2000))]
            data[where:where] = part * draw(st.sampled_from([1, 1, 1, 20]))
        elif how == "number":
            number = draw(st.sampled_from([0, 1, 65535, 0x7FFFFFFF, 0xFFFFFFFF]))
            form = draw(st.sampled_from([">I", "<I"]))
            data[where : where + 4] = struct.pack(form, number)
        elif how == "drop":
            del data[where : where + draw(st.integers(1, 2000))]
        elif how == "other":
            # The rest of another file: one header, another one's data.
            data[where:] = draw(st.sampled_from(PICTURES))[where:]
    return bytes(data)


_PNG_CHUNKS = (
    b"PLTE tRNS iCCP zTXt iTXt eXIf acTL fcTL fdAT gAMA cHRM sRGB pHYs IDAT IHDR IEND abCd".split()
)


@st.composite
def broken_pngs(draw) -> bytes:
    """A PNG whose chunks are in order, with right checksums, but not what they should be."""
    _, png, *_ = PICTURES
    chunks = [chunk(b"IDAT", png[41:-16]), chunk(b"IEND")]
    for _ in range(draw(st.integers(1, 5))):
        kind = draw(st.sampled_from(_PNG_CHUNKS))
        data = draw(
            st.one_of(
                st.binary(max_size=40),
                st.just(b"a\0\0" + zlib.compress(b"x" * 10)),
                st.just(b"a\0\1\0\0\0" + zlib.compress(b"x" * 10)),
            )
        )
        chunks.insert(draw(st.integers(0, len(chunks))), chunk(kind, data))
    bits, colours = draw(st.sampled_from([1, 2, 4, 8, 16])), draw(st.integers(0, 7))
    head = struct.pack(">IIBBBBB", 293, 190, bits, colours, 0, 0, draw(st.integers(0, 2)))
    return png[:8] + chunk(b"IHDR", head) + b"".join(chunks)


#: What arrives as an image.
images = st.one_of(
    broken_pictures(),
    broken_pngs(),
    st.binary(max_size=300),
    st.sampled_from([b"", b"GIF89a", b"\xff\xd8\xff", b"<html>", b"RIFF\0\0\0\0WEBPVP8 "]),
)
_numbers = st.integers(-(2**60), 2**60)
not_bytes = st.one_of(
    st.none(), _numbers, st.floats(), st.text(max_size=20), st.lists(_numbers), st.just({b"": b""})
)

#: In every image of a message; nobody may find it in a log.
SECRET = b"secret pixels"
_secrets = st.one_of(st.binary(max_size=60), st.just(b"\xff\xd8\xff")).map(lambda b: SECRET + b)

#: Text as it cannot be stored or should not be logged is among it: `json.dumps` escapes it.
_text = st.text(
    st.one_of(st.characters(codec="utf-8"), st.sampled_from("\ud800\udfff\0\n\x1b")), max_size=30
)
#: Replaced in a finished message by what `json.dumps` would not write.
_DEEP, _HUGE, _LONG_NUMBER = "@deep@", "@huge@", "@long@"
_typed = st.fixed_dictionaries(
    {
        "__type__": st.sampled_from(
            ["bytes", "base64", "datetime", "date", "time", "decimal", "uuid", "another"],
        ),
        "__value__": st.one_of(
            st.sampled_from(
                ["/9j/", "2001-01-01T00:00:00", "2001-01-01", "01:00:00", "sNaN", "1e99999"]
            ),
            st.sampled_from(["", {"hex": "0" * 32}, {"hex": 5}, [], None]),
        ),
    }
)
_plain = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    _text,
    _typed,
    st.sampled_from([_DEEP, _HUGE, _LONG_NUMBER, 0, 0.5, "x"]),
)
_json = st.recursive(
    _plain,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_text, inner, max_size=4)),
    max_leaves=8,
)


def _optional(**fields) -> st.SearchStrategy[dict]:
    return st.fixed_dictionaries({}, optional=fields)


#: No countdown in here: what asks to be read later stays claimed until then.
_options = _optional(
    queue=_json, priority=_plain, serializer=_plain, task_id=_plain, link=_json, chord=_json
)
_signature = _optional(
    task=st.one_of(st.sampled_from([wire.TASK_SOLVE, "nothing.here"]), _plain),
    args=st.one_of(st.just([]), _json),
    kwargs=st.one_of(st.just({}), _json),
    options=st.one_of(_options, _json),
    subtask_type=st.one_of(st.sampled_from(["chain", "group", "chord"]), _plain),
    chord_size=_plain,
    immutable=_plain,
)
_signatures = st.one_of(st.lists(_signature, max_size=3), _json)
_embed = _optional(
    callbacks=_signatures,
    errbacks=_signatures,
    chain=_signatures,
    chord=st.one_of(_signature, _json),
)


def _packed(value: object) -> bytes:
    try:
        return msgpack.packb(value)
    except (OverflowError, ValueError, TypeError):
        # A number or text that it has no form for.
        return json.dumps(value, default=repr, skipkeys=True).encode()


def _fields(*names: st.SearchStrategy) -> st.SearchStrategy[dict]:
    return _optional(
        task=st.one_of(*names, _json),
        id=st.one_of(st.uuids().map(str), _json),
        lang=_plain,
        expires=st.one_of(_plain, st.sampled_from(["0001-01-01T00:00:00+14:00", "2001-01-01"])),
        # In the past, or none.
        eta=st.one_of(_text, st.sampled_from(["0001-01-01T00:00:00+14:00", "2001-01-01"]), _typed),
        retries=_plain,
        timelimit=_json,
        group=_plain,
        group_index=_plain,
        root_id=_plain,
        parent_id=_plain,
        argsrepr=_json,
        kwargsrepr=_json,
        shadow=st.one_of(_plain, _json),
        origin=_plain,
        stamps=_json,
        stamped_headers=_json,
        replaced_task_nesting=_plain,
        ignore_result=_plain,
        compression=st.one_of(st.sampled_from(["gzip", "bzip2", "lzma", "zstd"]), _plain),
        # Celery keeps its own things under such names.
        headers=_plain,
        outcome=_plain,
        get=_plain,
        children=_plain,
        _children=_plain,
        called_directly=_plain,
        is_eager=_plain,
    )


_names = st.sampled_from(
    [wire.TASK_SOLVE, wire.TASK_SOLVE_MANY, "nothing.here", "celery.accumulate", "celery.map"]
)
_arguments = st.one_of(
    st.tuples(_secrets),
    st.lists(st.one_of(_secrets, not_bytes), max_size=3),
    st.tuples(st.lists(st.one_of(_secrets, not_bytes), max_size=3)),
    _plain,
)
_keywords = st.one_of(
    st.just({}), st.dictionaries(st.text(max_size=5), st.one_of(_secrets, _plain), max_size=2)
)
#: A task's body in Celery's second protocol, in its first, and everything else.
_bodies = st.one_of(
    st.tuples(_arguments, st.one_of(_keywords, _plain), st.one_of(_embed, _plain)).map(_packed),
    st.tuples(st.tuples(_secrets), st.just({}), _embed).map(_packed),
    st.tuples(_json, _json, _embed).map(lambda body: json.dumps(body).encode()),
    st.tuples(_fields(_names), _embed, _optional(args=_json, kwargs=_json)).map(
        lambda parts: json.dumps({**parts[0], **parts[1], **parts[2]}).encode()
    ),
    _json.map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=60),
    st.sampled_from([300, 600, 900, 1000, 50_000]).flatmap(
        lambda depth: st.sampled_from(
            [
                b"[[" + b"[" * depth + b"]" * depth + b"], {}, {}]",
                b"\x93\x91" + b"\x91" * depth + b"\xc0\x80\x80",
                b"\x93\x90\x80\x81\xa9callbacks" + b"\x91" * depth + b"\xc0",
            ]
        )
    ),
)
_kinds = st.sampled_from(
    [
        *("application/json", "application/data", "application/text", "application/x-yaml"),
        *("application/x-python-serialize", "pickle", "json", ""),
    ]
)
_encodings = st.sampled_from(
    [
        *("utf-8", "binary", "ascii", "utf-16", "rot13", "zlib", "bz2", "hex", "punycode"),
        *("idna", "unicode_escape", "undefined", ""),
    ]
)
_odd = {
    "content-type": _kinds,
    "content-encoding": _encodings,
    "body": st.one_of(st.integers(), st.booleans(), st.floats(), st.text(max_size=9)),
}


@st.composite
def _messages(draw) -> dict:
    """Nearly what kombu writes, with something else in some of its places."""
    body = draw(_bodies)
    kind = "application/json" if body[:1] in (b"[", b"{") else "application/x-msgpack"
    message = {
        "body": base64.b64encode(body).decode(),
        "content-encoding": "utf-8" if kind == "application/json" else "binary",
        "content-type": kind,
        "headers": {"task": wire.TASK_SOLVE, "id": str(draw(st.uuids()))},
        "properties": {
            "body_encoding": "base64",
            "delivery_tag": "any",
            "delivery_info": {"exchange": "", "routing_key": wire.LANE},
            "priority": 0,
        },
    }
    if draw(st.booleans()):
        message["headers"] |= draw(_fields(_names))
    elif draw(st.integers(0, 3)) == 0:
        # As in Celery's first protocol.
        message["headers"] = {}
    if draw(st.integers(0, 7)) == 0:
        message["properties"]["delivery_info"]["redelivered"] = draw(_plain)
    for _ in range(draw(st.sampled_from([0, 0, 1, 2, 3]))):
        place = draw(st.sampled_from(sorted(message)))
        what = draw(st.sampled_from(["drop", "any", "odd", "inside"]))
        if what == "drop":
            del message[place]
        elif what == "odd" and place in _odd:
            message[place] = draw(_odd[place])
        elif what == "any" or not isinstance(message[place], dict):
            message[place] = draw(_json)
        elif message[place]:
            message[place][draw(st.sampled_from(sorted(message[place])))] = draw(_json)
        if not message:
            break
    return message


@st.composite
def _written(draw, values) -> str:
    """As JSON, with what no encoder would write in the place of the marks."""
    text = json.dumps(draw(values))
    if _DEEP in text:
        depth = draw(st.sampled_from([50, 300, 900, 1000, 1100, 3000]))
        text = text.replace(f'"{_DEEP}"', "[" * depth + "]" * depth)
    if _LONG_NUMBER in text:
        text = text.replace(f'"{_LONG_NUMBER}"', "9" * draw(st.sampled_from([30, 400, 5000])))
    return text.replace(_HUGE, "x" * 20_000)


#: What is found on a queue.
texts = st.one_of(
    _written(_messages()),
    _written(_messages()),
    _written(_messages()),
    _written(_json),
    # Cut off somewhere.
    st.tuples(_written(_messages()), st.integers(1, 400)).map(lambda cut: cut[0][: -cut[1]]),
    st.text(max_size=100),
    st.binary(max_size=100),
    st.integers(1, 3000).map(lambda depth: "[" * depth),
)
