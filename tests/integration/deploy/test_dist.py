"""What `make dist` makes, installed by pip in an environment with nothing else in it."""

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, SAMPLES


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """The folder with both, made of what git has: the checkout stays as it is."""
    folder = tmp_path_factory.mktemp("dist")
    files = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    ).stdout.split("\0")
    for name in filter(None, files):
        if (REPOSITORY / name).is_file():
            target = folder / "source" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((REPOSITORY / name).read_bytes())
    done = subprocess.run(
        make_dist(folder / "source"), cwd=folder / "source", capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "source/dist"


def make_dist(source: Path) -> list[str]:
    """The command of the Makefile, with this Python."""
    (command,) = re.findall(r"^dist:.*\n\t(.*)", (source / "Makefile").read_text(), re.MULTILINE)
    return command.replace("$(BIN)/python", sys.executable).split()


def test_there_is_a_source_archive_and_a_wheel_with_all_that_git_has_of_the_packages(dist):
    (archive,), (wheel,) = dist.glob("*.tar.gz"), dist.glob("*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    source = dist.parent
    there = {
        str(path.relative_to(source))
        for package in ("tilefleet", "models", "worker", "producer")
        for path in (source / package).rglob("*")
        # Pages about a folder are for who reads the sources.
        if path.is_file() and path.name != "README.md"
    }
    assert there <= packed
    with tarfile.open(archive) as files:
        names = {name.partition("/")[2] for name in files.getnames()}
    assert there | {"pyproject.toml", "constraints.txt", "CHANGELOG.md", "LICENSE"} <= names


def test_the_wheel_reads_a_captcha_in_an_empty_environment(dist, tmp_path):
    (wheel,) = dist.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "empty"], check=True, timeout=120)
    python = tmp_path / "empty/bin/python"
    options = ["--quiet", "--disable-pip-version-check", "-c", REPOSITORY / "constraints.txt"]

    def run(*command: object, folder: Path = tmp_path) -> str:
        done = subprocess.run(
            [*map(str, command)], cwd=folder, capture_output=True, text=True, timeout=540
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    # Compiled is what is imported, then.
    run(python, "-m", "pip", "install", "--no-compile", *options, f"{wheel}[worker]")
    tilefleet = python.with_name("tilefleet")
    shown = run(tilefleet, "solve", "--local", SAMPLES / "002.jpg")
    assert "picks 5 7\n" in shown
    assert run(python, "-c", "import tilefleet; print(tilefleet.__file__)").startswith(
        str(tmp_path / "empty")
    )
    run(python, "-m", "pip", "check")
