"""A node's name is one worker's: a second one that is started under it takes the next free one.

Without one of its own, ``-n``, it is the first of ``tilefleet@HOST-1``, ``-2`` … that is free.
A line that is written anew is a living worker's; one that is not, for a moment, was left by a
worker that is gone.
"""

from collections.abc import Iterable, Iterator
from itertools import count
from time import monotonic, sleep
from typing import Final

from tilefleet import report
from tilefleet.report import Report
from worker.monitoring.line import Line

#: What workers are called that were given no name.
UNNAMED: Final = "tilefleet"
#: Seconds after which a worker that has not written its line anew is gone; it does every second.
_SILENT_S: Final = 3.0
_LOOK_S: Final = 0.2
#: What a worker tells that has only its name yet.
STARTING: Final = Report(rate=0.0, bounds={})


def take(line: Line, nodes: Iterable[str] | None = None) -> None:
    """Write the line under the first of the names that is free; raises what redis-py raises.

    `nodes`: any number of them; its node's own and those after it, if not given.
    """
    seen = line.all()
    for node in nodes or numbered(line.node):
        line.node = node
        if _is_ours(line, seen.get(node)):
            return


def numbered(node: str) -> Iterator[str]:
    """``celery@here``, ``celery-2@here`` …"""
    yield node
    yield from (one_of(node, number) for number in count(2))


def one_of(node: str, number: int) -> str:
    """``celery@here`` → ``celery-2@here``."""
    name, at, host = node.partition("@")
    return f"{name}-{number}{at}{host}"


def unnamed(host: str) -> Iterator[str]:
    """``tilefleet@host-1``, ``tilefleet@host-2`` …: for workers that were given no name."""
    return (f"{UNNAMED}@{host}-{number}" for number in count(1))


def _is_ours(line: Line, seen: bytes | None) -> bool:
    """Whether the name is this worker's now; `seen`: whose it was a moment ago."""
    deadline = monotonic() + _SILENT_S
    while (held := line.write(STARTING)) is not None:
        if seen is not None and held != seen:
            # Written anew.
            return False
        # One that has only its name yet writes its line again when it has a pool.
        if monotonic() > deadline and not _starts(held):
            return line.write(STARTING, over=held) is None
        seen = held
        sleep(_LOOK_S)
    return True


def _starts(line: bytes) -> bool:
    at = int(line.partition(b" ")[0])
    told = report.decode(at, line)
    return told is not None and not told.model
