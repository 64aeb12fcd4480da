"""A folder of the store from anywhere costs itself alone: a typed error, and the others stay."""

import io
import json
import os
import shutil
import warnings
import zipfile

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from models import store
from models.engines.litert import LiteRTEngine
from models.legacy.file import read as read_legacy
from models.store import contents
from models.store.contents import check_keras
from models.store.manifest import Manifest, sha256
from producer.cli.main import main
from tilefleet.errors import BadManifest, HashMismatch, ModelError, ModelNotFound, NotANetwork

GOOD = json.loads((store.BUILTIN / "builtin" / "manifest.json").read_text())
ESCAPES = "\x1b]0;pwned\x07\x1b[31mred"


@pytest.fixture
def bad(tmp_path, monkeypatch):
    """A model of a store in which another one is good."""
    monkeypatch.setenv("TILEFLEET_STORE", str(tmp_path))
    for name in ("bad", "good"):
        shutil.copytree(store.BUILTIN / "builtin", tmp_path / name)
    return tmp_path / "bad"


def write(folder, **changes):
    (folder / "manifest.json").write_text(json.dumps({**GOOD, **changes}))


def listed():
    shown = CliRunner().invoke(main, ["models", "list"])
    assert shown.exit_code == 0, shown.output
    as_json = CliRunner().invoke(main, ["models", "list", "--json"])
    assert as_json.exit_code == 0, as_json.output
    assert "good@" in shown.stdout
    assert "good@" in as_json.stdout
    for text in (shown.output, as_json.output):
        assert all(line.isprintable() for line in text.split("\n"))
    return shown


STRANGE = [None, True, 5, -1, 1e308, 10**400, "x", ESCAPES, "\ud800", [], [1, 2], {}, {"a": 5}]
NESTED = [{"a": [{"b": "\x9b31m"}]}, {"\x1b": 1}, {"a": {"exact": {}}}, {"words": 7, "tiles": [1]}]


def test_no_value_of_a_manifest_hides_the_others(bad):
    changes = [{field: value} for field in GOOD for value in (*STRANGE, *NESTED)]
    for number, change in enumerate(changes):
        folder = bad.parent / f"bad{number}"
        folder.mkdir()
        for file in GOOD["files"]:
            (folder / file).touch()
        write(folder, **change)
    listed()
    for entry in store.entries(root=bad.parent):
        if isinstance(entry, store.Entry):
            assert entry.manifest.name == entry.folder.name
            json.dumps(entry.manifest.evaluation, allow_nan=False).encode()
        else:
            assert str(entry[1]).isprintable()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"null",
        b"\xff\xfe{}",
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b'{"version":' + b"9" * 5000 + b"}",
        b'{"sharpness": NaN}',
        b'{"sharpness": Infinity}',
        b" " * (2 << 20),
        json.dumps({**GOOD, "hello\x1b[0m": 1}).encode(),
    ],
)
def test_no_text_of_a_manifest_hides_the_others(bad, text):
    (bad / "manifest.json").write_bytes(text)
    assert "bad: cannot be used: " in listed().stderr
    with pytest.raises(BadManifest):
        store.find("bad", root=bad.parent)


@given(st.binary(max_size=300) | st.text(alphabet='{}[]":,1eE-.nulNaI \\', max_size=80))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_whatever_a_manifest_is_it_is_read_or_refused(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("store")
    (folder / "manifest.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(BadManifest):
        Manifest.read(folder)


def as_link(path, to):
    path.unlink()
    path.symlink_to(to)


FILES = {
    "link": lambda path: as_link(path, store.BUILTIN / "builtin" / path.name),
    "link to itself": lambda path: as_link(path, path),
    "endless": lambda path: as_link(path, "/dev/zero"),
    "gone": lambda path: path.unlink(),
    "folder": lambda path: (path.unlink(), path.mkdir()),
    "pipe": lambda path: (path.unlink(), os.mkfifo(path)),
    "huge": lambda path: os.truncate(path, 10 << 30),
}


@pytest.mark.parametrize("file", ["manifest.json", "tiles.tflite", "words.keras"])
@pytest.mark.parametrize("kind", FILES)
def test_what_is_no_file_is_not_read(bad, file, kind):
    FILES[kind](bad / file)
    shown = listed().stderr
    assert "bad: cannot be used: " in shown or kind == "huge"
    with pytest.raises(BadManifest):
        store.find("bad", root=bad.parent).read(file)


def test_a_model_is_no_link_and_its_name_can_be_printed(bad):
    (bad.parent / "away").symlink_to(store.BUILTIN / "builtin")
    shutil.copytree(bad, bad.parent / ESCAPES.replace("/", ""))
    shown = listed().stderr
    assert "away: cannot be used: " in shown
    assert "red: cannot be used: " in shown
    with pytest.raises(BadManifest, match="link"):
        store.find("away", root=bad.parent)
    for name in (ESCAPES, "a\nb", "\ud800"):
        with pytest.raises(ModelNotFound):
            store.find(name, root=bad.parent)
        with pytest.raises(ModelError, match="cannot be a model's name"):
            store.check_free(name, root=bad.parent)


TILES = (store.BUILTIN / "builtin" / "tiles.tflite").read_bytes()
LITERT = {
    "empty": b"",
    "garbage": bytes(range(256)) * 400,
    "cut": TILES[: len(TILES) // 2],
    "head": TILES[:8] + bytes(len(TILES) - 8),
    "another": (store.BUILTIN / "builtin" / "words.tflite").read_bytes(),
}


@pytest.mark.parametrize("kind", LITERT)
def test_a_litert_file_that_is_none_is_refused(bad, kind):
    put(bad, "tiles.tflite", LITERT[kind])
    with pytest.raises(BadManifest, match=r"tiles\.tflite"):
        LiteRTEngine(store.find("bad", root=bad.parent), max_batch=0, max_bytes=1 << 20)


def put(folder, file, data):
    (folder / file).write_bytes(data)
    write(folder, files={**GOOD["files"], file: sha256(data)})


def keras_file(*, config=None, weights=None, more=()):
    """The built-in's, with something else in it."""
    made = io.BytesIO()
    original = zipfile.ZipFile(store.BUILTIN / "builtin" / "tiles.keras")
    parts = {name: original.read(name) for name in original.namelist()}
    if config is not None:
        parts["config.json"] = config
    if weights is not None:
        parts["model.weights.h5"] = weights
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in [*parts.items(), *more]:
            with warnings.catch_warnings(action="ignore"):
                archive.writestr(name, data)
    return made.getvalue()


def weights(make):
    made = io.BytesIO()
    with h5py.File(made, "w") as file:
        make(file)
    return made.getvalue()


def virtual(file):
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (4,))
    file.create_virtual_dataset("a", layout)


KERAS = {
    "empty": lambda: b"",
    "cut": lambda: keras_file()[:-40],
    "other files": lambda: keras_file(more=[("../../away", b"")]),
    "twice": lambda: keras_file(more=[("config.json", b"{}")]),
    "bomb": lambda: keras_file(weights=bytes(9 << 20)),
    "deep": lambda: keras_file(config=b"[" * 100_000),
    "no object": lambda: keras_file(config=b"[]"),
    "lambda": lambda: keras_file(config=b'{"class_name": "Lambda", "module": "keras.layers"}'),
    "import": lambda: keras_file(config=b'{"module": "os", "class_name": "system"}'),
    "wide": lambda: keras_file(config=b'{"config": {"units": 100000000}}'),
    "no weights": lambda: keras_file(weights=b"none"),
    "link": lambda: keras_file(
        weights=weights(lambda f: f.__setitem__("a", h5py.ExternalLink("/etc/passwd", "/")))
    ),
    "soft link": lambda: keras_file(
        weights=weights(lambda f: f.__setitem__("a", h5py.SoftLink("/nothing")))
    ),
    "elsewhere": lambda: keras_file(
        weights=weights(
            lambda f: f.create_dataset("a", (4,), "f4", external=[("/etc/passwd", 0, 16)])
        )
    ),
    "virtual": lambda: keras_file(weights=weights(virtual)),
    "bomb of arrays": lambda: keras_file(
        weights=weights(lambda f: f.create_dataset("a", (1 << 30,), "f4", chunks=(1 << 20,)))
    ),
}


@pytest.mark.parametrize("kind", KERAS)
def test_a_keras_file_is_looked_at_before_keras_loads_it(bad, kind, monkeypatch):
    monkeypatch.setattr(contents, "MOST_NETWORK", 8 << 20)
    put(bad, "tiles.keras", KERAS[kind]())
    entry = store.find("bad", root=bad.parent)
    with pytest.raises(BadManifest, match=r"tiles\.keras"):
        check_keras(entry.read("tiles.keras"), bad / "tiles.keras")


def test_the_built_in_model_passes():
    entry = store.find("builtin")
    for file in ("words.keras", "tiles.keras"):
        check_keras(entry.read(file), entry.folder / file)


def test_what_keras_cannot_load_is_this_files_fault(bad):
    put(bad, "tiles.keras", keras_file(config=b'{"class_name": "Nothing", "module": "keras"}'))
    with pytest.raises(BadManifest, match=r"tiles\.keras cannot be loaded"):
        store.load_network(store.find("bad", root=bad.parent), "tiles")


def test_keras_makes_no_more_weights_than_a_file_may_have(bad):
    """Each layer is narrow enough; together they would have gigabytes."""
    import keras

    side = 1 << 14
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2), keras.layers.Dense(2)])
    config = network.get_config()
    for layer in config["layers"]:
        layer["config"] |= (
            {"batch_shape": (None, side)} if "batch_shape" in layer["config"] else {"units": side}
        )
        layer.pop("build_config", None)
    config["build_input_shape"] = (None, side)
    described = {"module": "keras", "class_name": "Sequential", "config": config}
    put(bad, "tiles.keras", keras_file(config=json.dumps(described).encode()))
    with pytest.raises(BadManifest, match="describes more than 268,435,456 bytes of weights"):
        store.load_network(store.find("bad", root=bad.parent), "tiles")
    # The next one may have as many again.
    assert store.load_network(store.find("builtin"), "tiles").count_params()


def test_a_file_that_was_changed_is_still_said_to_be(bad):
    (bad / "tiles.tflite").write_bytes(TILES + b"x")
    with pytest.raises(HashMismatch):
        store.find("bad", root=bad.parent).read("tiles.tflite")


def legacy(attributes):
    def make(file):
        file.create_group("model_weights")
        for name, value in attributes.items():
            file.attrs[name] = value

    return weights(make)


@pytest.mark.parametrize(
    "attributes",
    [
        {"model_config": "[" * 30_000, "keras_version": "2.2"},
        {"model_config": "5", "keras_version": "2.2"},
        {"model_config": '{"config": {"layers": [5]}}', "keras_version": "2.2"},
        {"model_config": np.zeros(3), "keras_version": "2.2"},
        {"model_config": '{"config": []}', "keras_version": ESCAPES},
    ],
)
def test_an_h5_file_to_import_is_refused_for_what_it_is(tmp_path, attributes):
    (tmp_path / "words.h5").write_bytes(legacy(attributes))
    with pytest.raises(NotANetwork):
        read_legacy(tmp_path / "words.h5")
