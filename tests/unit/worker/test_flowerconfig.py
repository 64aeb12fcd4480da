"""What Flower is told by our file: a list of users that cannot be read is one line."""

import runpy
from pathlib import Path

import flower.options  # noqa: F401, defines what the file sets
import pytest

import worker

FILE = Path(worker.__file__).with_name("flowerconfig.py")


def users(monkeypatch, file: Path) -> list[str]:
    monkeypatch.setenv("FLOWER_BASIC_AUTH_FILE", str(file))
    monkeypatch.delenv("FLOWER_BASIC_AUTH", raising=False)
    return runpy.run_path(str(FILE))["basic_auth"]


def test_users_are_read_from_a_file_whatever_wrote_it(monkeypatch, tmp_path):
    (tmp_path / "users").write_bytes(b"\xef\xbb\xbfa:one\r\n\r\nb:two\r\n")
    assert users(monkeypatch, tmp_path / "users") == ["a:one", "b:two"]


@pytest.mark.parametrize(
    ("contents", "said"), [(None, "cannot be read: "), (b"nobody\n", "has no line user:password")]
)
def test_a_file_of_no_users_is_named(monkeypatch, tmp_path, contents, said):
    file = tmp_path / "users"
    if contents:
        file.write_bytes(contents)
    with pytest.raises(SystemExit, match=f"FLOWER_BASIC_AUTH_FILE='{file}' {said}"):
        users(monkeypatch, file)
