"""A clock that is wrong, or set while a process runs."""

import os
import shutil
import struct
import subprocess
from pathlib import Path

_SOURCE = Path(__file__).with_suffix(".c")


class Clock:
    """That of the processes which get its `environ`, whatever they ask for the time with."""

    def __init__(self, folder: Path) -> None:
        """Right at first. `folder`: for its files."""
        self._ahead = folder / "ahead"
        self.set(0.0)
        library = folder / "clock.so"
        command = ["cc", "-shared", "-fPIC", "-O1", "-o", library, _SOURCE]
        subprocess.run(command, check=True)
        self.environ = {"LD_PRELOAD": str(library), "CLOCK_AHEAD_FILE": str(self._ahead)}

    @staticmethod
    def can_be_made() -> bool:
        return shutil.which("cc") is not None

    def set(self, ahead_s: float) -> None:
        """So many seconds ahead, from now on."""
        with self._ahead.open("r+b" if self._ahead.exists() else "wb") as file:
            file.write(struct.pack("d", ahead_s))


def wrong(folder: Path, ahead_s: float) -> dict[str, str]:
    """The environment of a process whose clock is so many seconds ahead.

    Without a C compiler, only `time.time` is.
    """
    folder = folder / f"clock{ahead_s:+}"
    folder.mkdir(exist_ok=True)
    if Clock.can_be_made():
        clock = Clock(folder)
        clock.set(ahead_s)
        return clock.environ
    (folder / "sitecustomize.py").write_text(
        f"import time\n_right = time.time\ntime.time = lambda: _right() + {ahead_s!r}\n"
    )
    others = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(folder), others]))}
