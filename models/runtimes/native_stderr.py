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
from threading import RLock

logger = logging.getLogger(__name__)

#: Who redirects while another does would put the wrong thing back.
_one_at_a_time = RLock()


@contextmanager
def messages_as_debug() -> Iterator[None]:
    """Catch what is written to file descriptor 2, of all threads, while the block runs."""
    sys.stderr.flush()
    with _one_at_a_time, _caught():
        yield


@contextmanager
def _caught() -> Iterator[None]:
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
