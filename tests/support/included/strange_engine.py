"""The null engine with whims, for a worker that includes this module.

A pass takes as long as the slowest of its captchas, which begins with b"tenth" (of a second),
b"slow" (a second) or b"stuck" (a minute), or with b"gate": until the file `STRANGE_GATE` is there.
One that begins with b"crash" ends the process on the spot, as a fault in native code would.
"""

import os
import signal
from pathlib import Path
from time import sleep

from models.engines.null import NullEngine

SECONDS = {b"tenth": 0.1, b"slow": 1.0, b"stuck": 60.0}

_GATE = Path(os.environ.get("STRANGE_GATE", os.devnull))

_read = NullEngine.read


def read(self, batch):
    if any(data.startswith(b"crash") for data in batch):
        os.kill(os.getpid(), signal.SIGKILL)
    while any(data.startswith(b"gate") for data in batch) and not _GATE.exists():
        sleep(0.01)
    sleep(
        max(
            seconds if data.startswith(start) else 0.0
            for data in batch
            for start, seconds in SECONDS.items()
        )
    )
    return _read(self, batch)


NullEngine.prepare = lambda self, data: data
NullEngine.read = read
