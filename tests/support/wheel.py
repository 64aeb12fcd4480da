"""The wheel in an environment of its own, as a user has it, without the checkout on its path."""

import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

from tests.conftest import REPOSITORY

_SOURCES = ("tilefleet", "models", "worker", "producer")
_FILES = ("pyproject.toml", "README.md", "LICENSE")


def build(folder: Path) -> Path:
    """Build the wheel from a copy of the sources, so that the checkout stays as it is."""
    source = folder / "source"
    for name in _SOURCES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / name, source / name, ignore=ignored)
    for name in _FILES:
        shutil.copy(REPOSITORY / name, source / name)
    script = f"from setuptools import build_meta; print(build_meta.build_wheel({str(folder)!r}))"
    subprocess.run(
        [sys.executable, "-c", script], cwd=source, check=True, capture_output=True, timeout=120
    )
    shutil.rmtree(source)
    (wheel,) = folder.glob("*.whl")
    return wheel


def install(wheel: Path, folder: Path) -> Path:
    """An environment with the wheel and, for all that it needs, this one's libraries.

    Gives its Python. A path in a .pth file is not searched for further .pth files: what makes the
    checkout importable here does not there.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=60)
    python = folder / "bin" / "python"
    scheme = {"base": str(folder), "platbase": str(folder)}
    site = Path(sysconfig.get_path("purelib", "venv", scheme))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python
