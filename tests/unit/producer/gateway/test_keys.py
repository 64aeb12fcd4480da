"""Who may read the file of keys, and what a gateway that runs makes of a change."""

import grp
import os
import socket
import stat
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from producer.gateway import keys
from producer.gateway.keys import Key, KeyFile, changing
from tilefleet.errors import BadKeyFile

root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
NOBODY = 65534


def add(path, name):
    key, text = Key.make(name)
    with changing(path) as kept:
        kept[name] = key
    return text


def rights(path):
    found = path.stat()
    return found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)


def make_group(monkeypatch, number):
    def find(name):
        if name != "tilefleet" or number is None:
            raise KeyError(name)
        return SimpleNamespace(gr_gid=number)

    monkeypatch.setattr(grp, "getgrnam", find)


@root
@pytest.mark.parametrize(
    ("folder", "group", "expected"),
    [
        ((0, 0, 0o755), NOBODY, (0, NOBODY, 0o640)),
        ((0, 0, 0o755), None, (0, 0, 0o600)),
        ((0, 0, 0o700), NOBODY, (0, NOBODY, 0o600)),
        ((0, NOBODY, 0o750), None, (0, NOBODY, 0o640)),
        ((NOBODY, NOBODY, 0o700), None, (NOBODY, NOBODY, 0o600)),
        ((NOBODY, NOBODY, 0o750), 1, (NOBODY, NOBODY, 0o640)),
    ],
)
def test_a_file_that_root_makes_is_for_whom_the_folder_is(
    tmp_path, monkeypatch, folder, group, expected
):
    make_group(monkeypatch, group)
    path = tmp_path / "etc" / "keys.json"
    path.parent.mkdir()
    os.chown(path.parent, *folder[:2])
    path.parent.chmod(folder[2])
    add(path, "alice")
    assert rights(path) == expected


@root
@pytest.mark.parametrize("given", [(NOBODY, NOBODY, 0o600), (0, NOBODY, 0o440), (1, 2, 0o644)])
def test_owner_group_and_mode_of_a_file_that_is_there_stay(tmp_path, given):
    path = tmp_path / "keys.json"
    add(path, "alice")
    os.chown(path, *given[:2])
    path.chmod(given[2])
    add(path, "bob")
    assert rights(path) == given
    assert len(KeyFile(path)) == 2


def test_a_change_holds_for_the_next_request(tmp_path):
    path = tmp_path / "keys.json"
    texts = {name: add(path, name) for name in ("alice", "bob")}
    file = KeyFile(path)
    for round_ in range(20):
        name = f"k{round_}"
        text = add(path, name)
        assert file.find(text)
        with changing(path) as kept:
            del kept[name]
        assert not file.find(text)
    assert file.find(texts["alice"])


def test_a_file_that_cannot_be_written_is_said_to_be(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BadKeyFile, match="cannot be changed"):
        add(tmp_path / "file" / "keys.json", "alice")


def test_it_is_said_who_can_read_it(tmp_path):
    path = tmp_path / "keys.json"
    add(path, "alice")
    path.chmod(0o600)
    assert "group" not in keys.readers(path)
    path.chmod(0o640)
    assert "and the group" in keys.readers(path)


@pytest.mark.parametrize("instead", ["pipe", "folder", "device", "loop", "socket"])
def test_what_is_no_file_keeps_nobody_and_changes_nothing(tmp_path, instead):
    """In the place of the keys, while a gateway runs and when a command reads them."""
    path = tmp_path / "keys.json"
    alice = add(path, "alice")
    file = KeyFile(path)
    path.unlink()
    with socket.socket(socket.AF_UNIX) as listening:
        match instead:
            case "pipe":
                os.mkfifo(path)
            case "folder":
                path.mkdir()
            case "device":
                path.symlink_to("/dev/zero")
            case "loop":
                path.symlink_to(path)
            case "socket":
                listening.bind(str(path))
        asked = ThreadPoolExecutor(1)
        assert asked.submit(file.find, alice).result(5).name == "alice"
        for change in (lambda: KeyFile(path), lambda: add(path, "bob")):
            with pytest.raises(BadKeyFile):
                asked.submit(change).result(5)


@pytest.mark.parametrize(
    "keys", ["{}", '""', "null", '[{"name": "a", "sha256": "b", "rate": true, "burst": 1}]']
)
def test_keys_of_another_type_are_none(tmp_path, keys):
    path = tmp_path / "keys.json"
    path.write_text(f'{{"keys": {keys}}}')
    with pytest.raises(BadKeyFile):
        KeyFile(path)
