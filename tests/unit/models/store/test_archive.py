"""One file carries a model to another store; one that is damaged or hostile changes nothing."""

import json
import stat
import tracemalloc
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import store
from models.store import archive, contents
from models.store.manifest import FILENAME, file_names, sha256
from tilefleet.errors import BadArchive, BadManifest, HashMismatch, ModelError

FILES = [FILENAME, *file_names(), "SHA256SUMS"]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    path = tmp_path_factory.mktemp("carried") / "builtin.zip"
    archive.write(store.find("builtin"), path)
    return path


@pytest.fixture
def root(tmp_path):
    return tmp_path / "store"


def contents_of(path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def packed(path, files, *, mode=stat.S_IFREG | 0o644, packing=zipfile.ZIP_DEFLATED):
    """A zip file of (name, contents)."""
    with zipfile.ZipFile(path, "w") as made:
        for name, each in files:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            # Quickly: how small it gets does not matter.
            made.writestr(info, each, packing, compresslevel=1)
    return path


def is_empty(root) -> bool:
    return not root.exists() or list(root.iterdir()) == []


def test_a_model_that_was_carried_is_the_same_model(exported, root):
    entry = archive.read(exported, name="mine", root=root)
    builtin = store.find("builtin")
    found = store.find("mine", root=root)
    assert found == entry
    assert found.identity.rpartition("@")[2] == builtin.identity.rpartition("@")[2]
    assert found.manifest.training == builtin.manifest.training
    assert found.manifest.evaluation == builtin.manifest.evaluation
    assert {file: found.read(file) for file in file_names()} == {
        file: builtin.read(file) for file in file_names()
    }
    assert [each.name for each in root.iterdir()] == ["mine"]


def test_it_keeps_its_name_unless_another_is_given(exported, root):
    assert archive.read(exported, root=root).manifest.name == "builtin"
    with pytest.raises(ModelError, match="builtin exists"):
        archive.read(exported, root=root)
    archive.read(exported, root=root, replace=True)
    assert archive.read(exported, name="other", root=root).manifest.name == "other"


def test_a_renamed_model_is_exported_under_its_new_name(exported, root, tmp_path):
    archive.read(exported, name="first", root=root)
    store.rename("first", "second", root=root)
    archive.write(store.find("second", root=root), tmp_path / "second.zip")
    assert archive.read(tmp_path / "second.zip", root=tmp_path / "other").folder.name == "second"


def test_the_same_model_gives_the_same_bytes(exported, tmp_path):
    archive.write(store.find("builtin"), tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == exported.read_bytes()


def test_what_is_there_is_not_overwritten_unasked(exported, tmp_path):
    path = tmp_path / "kept.zip"
    path.write_bytes(b"kept")
    with pytest.raises(ModelError, match=r"kept\.zip exists"):
        archive.write(store.find("builtin"), path)
    assert path.read_bytes() == b"kept"
    archive.write(store.find("builtin"), path, replace=True)
    assert path.read_bytes() == exported.read_bytes()


def test_a_damaged_model_is_not_exported(exported, root, tmp_path):
    entry = archive.read(exported, name="mine", root=root)
    (entry.folder / "tiles.keras").write_bytes(b"zeros")
    with pytest.raises(HashMismatch, match=r"tiles\.keras"):
        archive.write(entry, tmp_path / "mine.zip")
    assert list(tmp_path.glob("*mine*")) == []


@pytest.mark.parametrize("file", FILES)
def test_an_archive_with_a_file_of_another_hash_stores_nothing(exported, root, tmp_path, file):
    files = contents_of(exported)
    files[file] = files[file].replace(b"a", b"b", 1)
    path = packed(tmp_path / "changed.zip", files.items())
    with pytest.raises(HashMismatch, match="changed or damaged"):
        archive.read(path, name="mine", root=root)
    assert is_empty(root)


def test_networks_must_be_those_of_the_manifest_too(exported, root, tmp_path):
    files = contents_of(exported)
    old = sha256(files["words.keras"])
    files["words.keras"] += b"more"
    new = sha256(files["words.keras"])
    files["SHA256SUMS"] = files["SHA256SUMS"].replace(old.encode(), new.encode())
    path = packed(tmp_path / "changed.zip", files.items())
    with pytest.raises(HashMismatch, match="its manifest says"):
        archive.read(path, name="mine", root=root)
    assert is_empty(root)


@pytest.mark.parametrize(
    "strange",
    [
        "../escaped",
        "/tmp/escaped",
        "words.tflite/",
        "words.tflite/x",
        "more",
        "",
        "a\\b",
        "manifest",
    ],
)
def test_an_archive_with_any_other_file_is_refused(exported, root, tmp_path, strange):
    files = contents_of(exported)
    for path in (
        packed(tmp_path / "more.zip", [*files.items(), (strange, b"x")]),
        packed(tmp_path / "instead.zip", [*list(files.items())[1:], (strange, b"x")]),
    ):
        with pytest.raises(BadArchive, match="is no archive of a model"):
            archive.read(path, name="mine", root=root)
    assert is_empty(root)
    assert not list(tmp_path.rglob("escaped"))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name_are_refused(exported, root, tmp_path):
    files = contents_of(exported)
    path = packed(tmp_path / "twice.zip", [*files.items(), (FILENAME, files[FILENAME])])
    with pytest.raises(BadArchive, match="is no archive of a model"):
        archive.read(path, name="mine", root=root)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFDIR, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_what_is_no_file_are_refused(exported, root, tmp_path, kind):
    path = packed(tmp_path / "link.zip", contents_of(exported).items(), mode=kind | 0o777)
    with pytest.raises(BadArchive, match="is a link, or no file"):
        archive.read(path, name="mine", root=root)


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_packings_are_refused(exported, root, tmp_path, packing):
    path = packed(tmp_path / "packed.zip", contents_of(exported).items(), packing=packing)
    with pytest.raises(BadArchive, match="packed otherwise"):
        archive.read(path, name="mine", root=root)


def test_a_file_that_unpacks_to_more_than_its_bound_is_not_unpacked(exported, root, tmp_path):
    files = contents_of(exported) | {FILENAME: b" " * (contents.MOST_MANIFEST + 1)}
    path = packed(tmp_path / "bomb.zip", files.items())
    with pytest.raises(BadArchive, match=r"manifest\.json has 1,048,577 bytes; at most"):
        archive.read(path, name="mine", root=root)


def test_a_file_that_is_all_zeros_is_not_unpacked(exported, root, tmp_path):
    """However small the archive, its files may have a quarter of a gigabyte each."""
    files = contents_of(exported) | {"tiles.tflite": bytes(1 << 20)}
    path = packed(tmp_path / "bomb.zip", files.items())
    with pytest.raises(BadArchive, match=r"tiles\.tflite has 1,048,576 bytes, packed into"):
        archive.read(path, name="mine", root=root)
    assert is_empty(root)


def test_a_size_that_is_a_lie_is_found_out_before_it_costs_memory(exported, root, tmp_path):
    size = 100 << 20
    files = contents_of(exported) | {FILENAME: b" " * size}
    raw = packed(tmp_path / "lie.zip", files.items()).read_bytes()
    told = size.to_bytes(4, "little")
    (tmp_path / "lie.zip").write_bytes(raw.replace(told, (100).to_bytes(4, "little")))
    tracemalloc.start()
    with pytest.raises(BadArchive, match="cannot be unpacked"):
        archive.read(tmp_path / "lie.zip", name="mine", root=root)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < size / 4


def test_a_long_listing_is_not_read(exported, root, tmp_path):
    path = packed(tmp_path / "many.zip", [(f"{number:0100}", b"") for number in range(100)])
    with pytest.raises(BadArchive, match="its listing is too long"):
        archive.read(path, name="mine", root=root)
    with zipfile.ZipFile(path, "w") as made:
        made.comment = b"x"
    with pytest.raises(BadArchive, match=r"no archive of a model"):
        archive.read(path, name="mine", root=root)


@pytest.mark.parametrize("text", [b"", b"text", b"PK", b"\x89HDF\r\n\x1a\n" + bytes(99)])
def test_what_is_no_zip_file_is_no_archive(root, tmp_path, text):
    path = tmp_path / "model.zip"
    path.write_bytes(text)
    with pytest.raises(BadArchive, match="does not end as a zip file"):
        archive.read(path, name="mine", root=root)


@pytest.mark.parametrize("name", ["../out", "", ".hidden", "a/b", "\x1b[31m", 5, None])
def test_a_name_in_an_archive_does_not_lead_out_of_the_store(exported, root, tmp_path, name):
    files = contents_of(exported)
    old = sha256(files[FILENAME])
    manifest = {**json.loads(files[FILENAME]), "name": name}
    files[FILENAME] = json.dumps(manifest).encode()
    new = sha256(files[FILENAME])
    files["SHA256SUMS"] = files["SHA256SUMS"].replace(old.encode(), new.encode())
    path = packed(tmp_path / "named.zip", files.items())
    with pytest.raises((BadArchive, ModelError)):
        archive.read(path, root=root)
    assert is_empty(root)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_no_damage_gives_anything_but_a_typed_error_or_the_model(exported, tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("damaged")
    raw = bytearray(exported.read_bytes())
    if data.draw(st.booleans()):
        del raw[data.draw(st.integers(0, len(raw))) :]
    # Most of it is weights; the listing and the manifest are at the ends.
    places = st.one_of(st.integers(0, 8000), st.integers(1, 8000).map(lambda back: -back))
    for at in data.draw(st.lists(places, max_size=4)):
        if -len(raw) <= at < len(raw):
            raw[at] = data.draw(st.integers(0, 255))
    (folder / "model.zip").write_bytes(raw)
    try:
        archive.read(folder / "model.zip", name="mine", root=folder / "store")
    except (BadArchive, HashMismatch, BadManifest):
        assert is_empty(folder / "store")
