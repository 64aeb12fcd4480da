"""What runs beside a benchmark, in a process of its own."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


@contextmanager
def beside(command: Sequence[str]) -> Iterator[None]:
    """It runs in the block, which begins when it has written a line."""
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.terminate()
