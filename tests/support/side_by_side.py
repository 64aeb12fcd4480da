"""How processes share the test files (pytest-xdist): which stay together, and which begin.

A file stays together, for the servers and workers of its fixtures. Keras takes seconds to import
and half a gigabyte: the files with it stay together, too, in two parts that take about as long.
They keep processors busy and begin first; then come tests that wait most of the time, beside them.
"""

from collections.abc import Sequence
from typing import Final

import pytest
from xdist.scheduler import LoadFileScheduling

#: A part's name → the files that have their names begun so.
KERAS: Final = {
    "Keras: trainings": ("tests/unit/models/training/",),
    "Keras: others": (
        "tests/integration/commands/test_own_words.py",
        "tests/unit/models/bootstrap/",
        "tests/unit/models/engines/",
        "tests/unit/models/legacy/",
        "tests/unit/models/runtimes/",
        "tests/unit/models/evaluation/",
    ),
}
#: Where tests wait for servers that are killed, cut off or idle.
PATIENT: Final = ("tests/chaos/", "tests/kombu/")


class Shares(LoadFileScheduling):
    """Files, and the parts with Keras, one after the other to whichever process is free."""

    def _split_scope(self, nodeid: str) -> str:
        return part(nodeid)


def part(nodeid: str) -> str:
    """What runs in one process with that test: a file, or one of `KERAS`."""
    for name, begun in KERAS.items():
        if nodeid.startswith(begun):
            return name
    return nodeid.partition("::")[0]


def in_order(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """By what begins first: of what begins last, and takes long, the others see the end."""
    slow = {each.path for each in items if each.get_closest_marker("slow")}
    names = list(KERAS)

    def place(item: pytest.Item) -> tuple[int, bool, str]:
        of = part(item.nodeid)
        begins_soon = item.path in slow or item.nodeid.startswith(PATIENT)
        return names.index(of) if of in KERAS else len(names), not begins_soon, str(item.path)

    return sorted(items, key=place)
