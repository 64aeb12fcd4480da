"""Native libraries write to standard error as they like; here it becomes debug logging.

TensorFlow, its converter and LiteRT announce themselves there and have no switch for all of it. On
an error everything is shown after all.
"""

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

logger = logging.getLogger(__name__)


@contextmanager
def messages_as_debug() -> Iterator[None]:
    """Catch what is written to file descriptor 2, of all threads, while the block runs."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        level = logging.ERROR
        try:
            yield
            level = logging.DEBUG
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            for line in file.read().decode(errors="replace").splitlines():
                logger.log(level, "%s", line)
