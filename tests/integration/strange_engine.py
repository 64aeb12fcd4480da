"""The null engine with whims, for a worker that includes this module.

A captcha that begins with b"slow" takes a second, one with b"stuck" a minute; b"crash" ends the
process on the spot, as a fault in native code would.
"""

import os
import signal
from time import sleep

from models.engines.null import NullEngine

_read = NullEngine.read


def read(self, batch):
    for data in batch:
        if data.startswith(b"slow"):
            sleep(1)
        elif data.startswith(b"stuck"):
            sleep(60)
        elif data.startswith(b"crash"):
            os.kill(os.getpid(), signal.SIGKILL)
    return _read(self, batch)


NullEngine.prepare = lambda self, data: data
NullEngine.read = read
