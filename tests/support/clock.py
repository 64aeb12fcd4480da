"""A clock that is wrong, for processes of Python."""

import os
import shutil
import subprocess
from pathlib import Path

_SOURCE = Path(__file__).with_suffix(".c")


def wrong(folder: Path, ahead_s: float) -> dict[str, str]:
    """The environment of a process whose clock is so many seconds ahead, whatever asks for it.

    Without a C compiler, only `time.time` is.
    """
    folder = folder / f"clock{ahead_s:+}"
    folder.mkdir(exist_ok=True)
    if compiler := shutil.which("cc"):
        library = folder / "clock.so"
        command = [compiler, "-shared", "-fPIC", "-O1", "-o", library, _SOURCE]
        subprocess.run(command, check=True)
        return {"LD_PRELOAD": str(library), "CLOCK_AHEAD_S": str(ahead_s)}
    (folder / "sitecustomize.py").write_text(
        f"import time\n_right = time.time\ntime.time = lambda: _right() + {ahead_s!r}\n"
    )
    others = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(folder), others]))}
