"""A clock that is wrong, for processes of Python."""

import os
from pathlib import Path


def wrong(folder: Path, ahead_s: float) -> dict[str, str]:
    """The environment of a process whose `time.time` is so many seconds ahead."""
    folder = folder / f"clock{ahead_s:+}"
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(
        f"import time\n_right = time.time\ntime.time = lambda: _right() + {ahead_s!r}\n"
    )
    others = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(folder), others]))}
