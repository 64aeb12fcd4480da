"""Files that are there whole or not at all."""

import os

import pytest

from tilefleet.files import atomic_write


def test_what_was_there_stays_if_the_writing_fails(tmp_path):
    path = tmp_path / "keys.json"
    path.write_text("before")

    def fail(file):
        file.write("half")
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError), atomic_write(path, text=True) as file:
        fail(file)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_private_file_is_for_its_owner_only(tmp_path):
    path = tmp_path / "keys.json"
    with atomic_write(path, text=True, private=True) as file:
        file.write("new")
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o600, 0o444])
def test_the_mode_of_one_that_was_there_is_kept(tmp_path, mode):
    path = tmp_path / "keys.json"
    path.write_text("before")
    path.chmod(mode)
    with atomic_write(path, text=True, private=True) as file:
        file.write("after")
    assert path.read_text() == "after"
    assert path.stat().st_mode & 0o777 == mode


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_owner_of_one_that_was_there_is_kept(tmp_path):
    path = tmp_path / "keys.json"
    path.write_text("before")
    os.chown(path, 1234, 2345)
    with atomic_write(path, text=True, private=True) as file:
        file.write("after")
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 2345)


def test_a_link_goes_on_leading_to_the_file(tmp_path):
    path, link = tmp_path / "keys.json", tmp_path / "link.json"
    path.write_text("before")
    link.symlink_to(path)
    with atomic_write(link, text=True) as file:
        file.write("after")
    assert link.is_symlink()
    assert path.read_text() == "after"
