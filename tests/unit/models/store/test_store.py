"""The store: what is damaged, missing or of another kind is refused with what was seen."""

import json
import shutil
from dataclasses import replace

import pytest

from models import store
from models.engines import load
from models.store.difference import differences
from models.store.manifest import NETWORKS, Manifest, file_names
from tilefleet.errors import BadManifest, HashMismatch, ModelError, ModelNotFound, SettingError
from tilefleet.kind import BUILTIN, Kind
from tilefleet.settings import Settings


@pytest.fixture
def copy(tmp_path):
    """The built-in model, as an entry of a store of one's own."""
    shutil.copytree(store.BUILTIN / "builtin", tmp_path / "copy")
    return tmp_path / "copy"


def edit(folder, **changes):
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_the_built_in_model_is_complete_and_every_hash_is_right():
    entry = store.find("builtin")
    for file in file_names():
        assert entry.read(file)
    name, _, digits = entry.identity.partition("@")
    assert name == "builtin"
    assert len(digits) == 8
    assert entry.manifest.training
    assert entry.manifest.evaluation


def test_new_figures_are_added_to_those_there_are_and_nothing_else_changes(copy):
    entry = store.find("copy", root=copy.parent)
    before = entry.manifest
    again = store.annotate(entry, {"of-today": {"exact": 7}})
    assert again.manifest.evaluation == {**before.evaluation, "of-today": {"exact": 7}}
    assert len(again.manifest.evaluation) == len(before.evaluation) + 1 > 1
    store.annotate(again, {"of-today": {"exact": 8}}, sharpness=0.5)
    found = store.find("copy", root=copy.parent)
    assert found.manifest.evaluation == {**before.evaluation, "of-today": {"exact": 8}}
    assert found.manifest.sharpness == 0.5
    assert found.identity == entry.identity


def test_an_unknown_model_is_named_with_those_there_are(tmp_path):
    with pytest.raises(ModelNotFound, match=r"'nothing'.*there are: builtin"):
        store.find("nothing", root=tmp_path)


@pytest.mark.parametrize("engine", ["litert", "keras"])
def test_a_file_that_was_changed_is_refused(copy, engine):
    for file in file_names():
        damaged = bytearray((copy / file).read_bytes())
        damaged[len(damaged) // 2] ^= 1
        (copy / file).write_bytes(damaged)
    settings = Settings(models=("copy",), store=copy.parent, engine=engine)
    with pytest.raises(HashMismatch, match=r"has sha256 .* its manifest says"):
        load(settings)


@pytest.mark.parametrize("name", ["..", ".", "", "../builtin", "a/../builtin", "/", "builtin\0"])
def test_a_name_does_not_lead_out_of_the_store(tmp_path, name):
    shutil.copytree(store.BUILTIN / "builtin", tmp_path, dirs_exist_ok=True)
    root = tmp_path / "store"
    root.mkdir()
    with pytest.raises(ModelNotFound, match="no model called"):
        store.find(name, root=root)
    with pytest.raises(ModelError, match="cannot be a model's name"):
        store.check_free(name, root=root)


def kind(**changes):
    return {"kind": {**BUILTIN.encode(), **changes}}


def layout(**changes):
    tiles = len(changes.get("tops", (1, 2))) * 4
    where = {**BUILTIN.layout.encode(), **changes}
    return kind(layout=where, tiles_per_word=[1 / tiles] * tiles)


def test_a_manifest_says_what_kind_of_captcha_its_model_reads(copy):
    enlarged = Kind(
        ("锣", "口哨", "蜥蜴"), replace(BUILTIN.layout, words=1), BUILTIN.tiles_per_word
    )
    edit(copy, kind=enlarged.encode())
    assert store.find("copy", root=copy.parent).manifest.kind == enlarged
    # The networks in its files are for another one.
    with pytest.raises(BadManifest, match=r"words\.tflite gives"):
        load(Settings(models=("copy",), store=copy.parent, engine="litert"))


def first_version(folder, **changes):
    """Write the manifest as it was before models had a kind."""
    path = folder / "manifest.json"
    encoded = json.loads(path.read_text(encoding="utf-8"))
    del encoded["kind"]
    labels = {"labels_sha256": BUILTIN.labels_sha256, "preprocessing": "none"}
    shapes = {"inputs": {"words": [28, 176, 3]}, "outputs": {"tiles": [80]}}
    path.write_text(json.dumps({**encoded, **labels, **shapes, "version": 1, **changes}))


def test_a_manifest_of_the_first_version_is_one_of_the_only_kind_there_was(copy):
    after = store.find("copy", root=copy.parent).manifest
    first_version(copy)
    assert store.find("copy", root=copy.parent).manifest == after
    first_version_labels = {"labels_sha256": "0" * 64}
    path = copy / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **first_version_labels}))
    with pytest.raises(BadManifest, match="for labels 00000000"):
        store.find("copy", root=copy.parent)


def test_a_missing_file_is_named(copy):
    (copy / "tiles.tflite").unlink()
    with pytest.raises(BadManifest, match=r"tiles\.tflite"):
        load(Settings(models=("copy",), store=copy.parent, engine="litert"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 99}, "version 99; this is 2"),
        ({"files": {}}, r"files must contain .*words\.keras"),
        ({"surprise": 1}, "surprise"),
        ({"precision": "int4"}, "precision must be one of"),
        ({"sharpness": 0}, "sharpness must be bigger than"),
        ({"kind": {}}, "kind must contain"),
        (kind(labels=["锣", "锣", "口哨"]), "unique"),
        (kind(labels=["锣", "口 哨", "蜥蜴"]), "pattern"),
        (kind(tiles_per_word=[1.0]), "1 shares for 8 tiles"),
        (layout(words=3), "words must be one of"),
        (layout(size=[293]), "size must contain at least 2"),
        (layout(size=[200, 190]), "do not fit"),
        (layout(tops=[40, 80]), "do not fit"),
        (layout(header=[250, 0, 176, 28]), "not inside"),
        (layout(click=[70, 0]), "not inside a tile"),
        (layout(tile=[10, 8], click=[0, 0], tops=[*range(40, 180, 10)]), "at most 16"),
    ],
)
def test_a_manifest_of_another_kind_is_refused(copy, changes, message):
    edit(copy, **changes)
    with pytest.raises(BadManifest, match=message):
        store.find("copy", root=copy.parent)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"text"'])
def test_a_manifest_that_is_not_one_is_refused(copy, text):
    (copy / "manifest.json").write_text(text)
    with pytest.raises(BadManifest, match=r"manifest\.json"):
        Manifest.read(copy)


def test_a_damaged_model_is_listed_as_such_beside_the_good_ones(copy):
    (copy / "manifest.json").unlink()
    found = store.entries(root=copy.parent)
    assert isinstance(found[0], store.Entry)
    folder, error = found[-1]
    assert folder == copy
    assert isinstance(error, BadManifest)


def test_labels_are_the_eighty_in_their_order(data_folder):
    assert tuple((data_folder / "labels.txt").read_text(encoding="utf-8").split()) == BUILTIN.labels


def test_a_model_name_cannot_leave_the_store():
    with pytest.raises(SettingError):
        Settings.from_environ({"TILEFLEET_MODEL": "../../etc"})


def test_a_renamed_model_is_the_same_under_another_name(copy):
    before = store.find("copy", root=copy.parent).identity
    assert store.rename("copy", "other", root=copy.parent) == copy.parent / "other"
    after = store.find("other", root=copy.parent).identity
    assert after == before.replace("copy", "other")
    with pytest.raises(ModelNotFound):
        store.find("copy", root=copy.parent)


@pytest.mark.parametrize(
    ("new", "message"),
    [
        ("taken", "taken exists"),
        ("builtin", "is a built-in model"),
        ("../out", "cannot be a model's name"),
        (".hidden", "cannot be a model's name"),
        ("锣" * 80, "200 bytes at most"),
    ],
)
def test_a_name_that_cannot_be_given_changes_nothing(copy, new, message):
    shutil.copytree(copy, copy.with_name("taken"))
    with pytest.raises(ModelError, match=message):
        store.rename("copy", new, root=copy.parent)
    assert sorted(each.name for each in copy.parent.iterdir()) == ["copy", "taken"]


def test_a_removed_model_is_gone_and_nothing_is_left_of_it(copy):
    (copy / "manifest.json").write_text("{")
    assert store.remove("copy", root=copy.parent) == copy
    assert list(copy.parent.iterdir()) == []
    with pytest.raises(ModelNotFound):
        store.remove("copy", root=copy.parent)


def test_of_a_link_only_the_link_is_removed(copy, tmp_path):
    root = tmp_path / "store"
    root.mkdir()
    (root / "link").symlink_to(copy)
    store.remove("link", root=root)
    assert list(root.iterdir()) == []
    assert store.find("copy", root=copy.parent)


def test_the_built_in_models_stay_as_they_are(tmp_path):
    for change in (store.remove, lambda name, root: store.rename(name, "new", root=root)):
        with pytest.raises(ModelError, match="is built in"):
            change("builtin", root=tmp_path)
    assert store.find("builtin")


def test_a_model_of_ones_own_may_hide_a_built_in_one_and_go_again(tmp_path):
    shutil.copytree(store.BUILTIN / "builtin", tmp_path / "builtin")
    assert store.find("builtin", root=tmp_path).folder == tmp_path / "builtin"
    store.remove("builtin", root=tmp_path)
    assert store.find("builtin", root=tmp_path).folder == store.BUILTIN / "builtin"


def test_two_models_differ_in_what_their_manifests_say_but_not_in_their_names(copy):
    first = store.find("builtin")
    assert differences(first, store.find("copy", root=copy.parent)) == []
    second = store.annotate(
        store.find("copy", root=copy.parent), {"of-today": {"exact": 7}}, sharpness=0.5
    )
    found = {each.path: (each.first, each.second) for each in differences(first, second)}
    assert found == {
        ("sharpness",): (first.manifest.sharpness, 0.5),
        ("evaluation", "of-today", "exact"): (None, 7),
    }
    files = {network: first.read(f"{network}.int8.tflite") for network in NETWORKS}
    other = store.put_litert(first, files, "int8", name="other", root=copy.parent)
    found = {each.path for each in differences(first, other)}
    assert {("precision",), *(("files", f"{network}.tflite") for network in NETWORKS)} <= found
    assert ("files", "words.keras") not in found
