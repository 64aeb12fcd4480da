"""Whatever is in a file that people hand over: what it should hold, or an error of ours."""

import io
import json
import zipfile
from contextlib import suppress
from copy import deepcopy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import store
from models.datasets.answers import Answers
from models.store import archive
from models.store.manifest import FILENAME, Manifest
from producer.gateway import keys
from producer.gateway.keys.file import write
from producer.terminal.text import error_line
from tests.fuzz.effort import corpus, fuzz
from tilefleet.errors import BadAnswers, BadKeyFile, BadManifest, ModelError

GOOD_KEYS = {"keys": [{"name": "a", "sha256": "0" * 64, "rate": 1.5, "burst": 3, "created": "x"}]}
GOOD_MANIFEST = json.loads((store.BUILTIN / "builtin" / FILENAME).read_text())
GOOD_ANSWERS = "file,words,picks\na.jpg,锣,3\nb c.jpg,电线 沙拉,5 7\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


def check(error: Exception) -> None:
    """It is for people; commands show what is no character of a text by its number."""
    assert 0 < len(str(error)) < 1000
    assert error_line(error).replace("\n", " ").isprintable()


def read_keys(folder: Path, data: bytes) -> None:
    path = folder / "keys.json"
    path.write_bytes(data)
    try:
        found = keys.read(path)
    except BadKeyFile as error:
        check(error)
    else:
        # What was taken can be written and read again.
        write(path, found)
        assert keys.read(path) == found


def read_answers(folder: Path, data: bytes) -> None:
    path = folder / "answers.csv"
    path.write_bytes(data)
    try:
        found = Answers.read(path, tiles=8)
    except BadAnswers as error:
        check(error)
    else:
        for answer in found.known.values():
            assert all(1 <= pick <= 8 for pick in answer.picks)


def read_manifest(folder: Path, data: bytes) -> None:
    (folder / FILENAME).write_bytes(data)
    try:
        found = Manifest.read(folder)
    except BadManifest as error:
        check(error)
    else:
        assert found.name.isprintable()


def read_archive(folder: Path, data: bytes) -> None:
    path, root = folder / "model.zip", folder / "store"
    path.write_bytes(data)
    with suppress(ModelError):
        archive.read(path, name="mine", root=root, replace=True)
        store.find("mine", root=root)
    # It costs itself alone: nothing beside what it is called, and nothing half.
    assert {each.name for each in root.glob("*")} <= {"mine"}
    assert not (folder / "escaped").exists()


READ = {
    "keys": read_keys,
    "answers": read_answers,
    "manifests": read_manifest,
    "archives": read_archive,
}


@pytest.mark.parametrize(
    ("kind", "why"), [(kind, why) for kind in READ for why in corpus(kind)], ids=str
)
def test_what_failed_once(folder, kind, why):
    READ[kind](folder, corpus(kind)[why])


# What hypothesis makes of them --------------------------------------------------------------------

NUMBERS = (
    st.integers()
    | st.floats()
    | st.sampled_from([2**31, 2**63, 2**64, 10**400, 1e308, -0.0, float("inf"), float("nan")])
)
ODD = st.sampled_from(
    ["", "\0", "\x1b[31m", "\u202e", "\ud800", "..", "/", "a" * 3000, "\n", "中", "0" * 64, "１"]
)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | ODD | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ODD | st.text(max_size=4), inner),
    max_leaves=8,
)


def places(value, path=()):
    """Of everything that is inside."""
    yield path
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        for key, each in inner:
            yield from places(each, (*path, key))


@st.composite
def changed(draw, good, *, most=3):
    """A good value with some of what is in it left out, or put in another's place."""
    value = deepcopy(good)
    for _ in range(draw(st.integers(1, most))):
        inside = [path for path in places(value) if path]
        if not inside:
            break
        *above, last = draw(st.sampled_from(inside))
        within = value
        for key in above:
            within = within[key]
        how = draw(st.sampled_from(["drop", "other", "odd", "twice"]))
        if how == "drop":
            del within[last]
        elif how == "twice" and isinstance(within, list):
            within.append(within[last])
        else:
            within[last] = draw(JSON if how == "other" else ODD | NUMBERS)
    return value


def as_json(value) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")


@st.composite
def damaged(draw, good: bytes):
    """Bytes that were cut, flipped, repeated."""
    data = bytearray(good)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        how = draw(st.sampled_from(["cut", "byte", "insert", "repeat", "drop"]))
        if how == "cut":
            del data[at:]
        elif how == "byte" and at < len(data):
            data[at] = draw(st.integers(0, 255))
        elif how == "insert":
            data[at:at] = draw(st.binary(min_size=1, max_size=6))
        elif how == "repeat":
            data[at:at] = data[at : at + 40] * draw(st.integers(1, 50))
        else:
            del data[at : at + draw(st.integers(1, 9))]
    return bytes(data)


def anything(good) -> st.SearchStrategy[bytes]:
    written = as_json(good)
    return (
        changed(good).map(as_json)
        | JSON.map(as_json)
        | damaged(written)
        | st.binary(max_size=60)
        | st.sampled_from([b"[" * 100_000, b'{"a":' * 50_000, b'"' + b"a" * 9_000_000])
    )


@fuzz(300, 5_000, 30_000)
@given(data=anything(GOOD_KEYS))
def test_any_file_of_keys_is_read_or_refused(folder, data):
    read_keys(folder, data)


@fuzz(300, 5_000, 30_000)
@given(data=anything(GOOD_MANIFEST))
def test_any_manifest_is_read_or_refused(folder, data):
    read_manifest(folder, data)


@fuzz(300, 5_000, 30_000)
@given(
    data=damaged(GOOD_ANSWERS.encode())
    | damaged(GOOD_ANSWERS.replace(",", "\t").replace("\n", "\r\n").encode("utf-8-sig"))
    | st.text(st.sampled_from('file,words,picks;\t"\n\r\0 18锣\u2028\ufeff')).map(str.encode)
    | st.text(st.sampled_from(',;\t"\n\r\0 1a锣'), max_size=30).map(
        lambda text: ("file,words,picks\n" + text).encode()
    )
    | st.binary(max_size=60)
)
def test_any_answers_are_read_or_refused(folder, data):
    read_answers(folder, data)


@pytest.fixture(scope="module")
def small():
    """The listing of a carried model, without its weights, which no damage here is about."""
    names = ["manifest.json", "tiles.tflite", "words.tflite", "tiles.keras", "words.keras"]
    return dict.fromkeys([*names, "SHA256SUMS"], b"weights") | {
        FILENAME: json.dumps(GOOD_MANIFEST).encode()
    }


@fuzz(60, 2_000, 10_000)
@given(data=st.data())
def test_any_archive_is_read_or_refused(folder, small, data):
    names = st.sampled_from(
        [
            *small,
            "../escaped",
            "/tmp/escaped",
            "a/../../escaped",
            "mine\\escaped",
            "",
            ".",
            "a" * 300,
        ]
    )
    files = dict(small)
    for name in data.draw(st.lists(names, max_size=3)):
        files[name] = data.draw(st.sampled_from([b"", b"x", bytes(1 << 16)]))
    for name in data.draw(st.lists(st.sampled_from(sorted(small)), max_size=2)):
        files.pop(name, None)
    buffer = io.BytesIO()
    method = data.draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
    with zipfile.ZipFile(buffer, "w", method) as opened:
        for name, contents in files.items():
            # Names that a ZipFile would not write itself.
            each = zipfile.ZipInfo("a")
            each.filename, each.compress_type = name, method
            each.external_attr = data.draw(st.sampled_from([0, 0o120777 << 16, 0o40755 << 16]))
            opened.writestr(each, contents)
    whole = buffer.getvalue()
    read_archive(folder, data.draw(st.just(whole) | damaged(whole)))
