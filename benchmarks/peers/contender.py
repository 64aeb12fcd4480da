"""A worker that is measured: how it is started and fed, and how much it has left to do."""

import os
import re
import subprocess
import sys
import venv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any


class NotInstallable(Exception):
    """Its packages cannot be had here; why, in a line."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to read a queue."""

    name: str
    #: After the interpreter's name.
    command: Sequence[str]
    #: Puts so many messages on its queue: (URL, count).
    fill: Callable[[str, int], None]
    #: How many of so many messages are not done with: (a client of redis-py, count).
    left: Callable[[Any, int], int]
    #: What it does not do that Tilefleet does; nothing: "".
    gives_up: str = ""
    #: Of an environment of its own; none: it is read in this one.
    packages: tuple[str, ...] = ()
    #: The keys of its results.
    results: str = "celery-task-meta-*"
    #: Pictures in one message.
    together: int = 1
    environ: Mapping[str, str] = field(default_factory=dict)

    def start(self, url: str) -> "subprocess.Popen[bytes]":
        """In a process group of its own."""
        environ = {**os.environ, "CELERY_BROKER_URL": url, "CELERY_RESULT_BACKEND": url}
        return subprocess.Popen(
            [interpreter(self.packages), *self.command],
            env={**environ, **self.environ},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


@cache
def interpreter(packages: tuple[str, ...]) -> str:
    """The Python with these packages, in the user's cache folder; raises NotInstallable."""
    if not packages:
        return sys.executable
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = caches / "tilefleet-benchmarks" / re.split(r"\W", packages[0])[0]
    python, installed = folder / "bin" / "python", folder / "installed"
    wanted = " ".join(packages)
    if not (installed.exists() and installed.read_text() == wanted):
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        done = subprocess.run([*pip, *packages], capture_output=True, text=True, check=False)
        if done.returncode:
            raise NotInstallable((done.stderr.strip() or "pip failed").splitlines()[-1])
        installed.write_text(wanted)
    return str(python)
