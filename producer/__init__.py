"""Sends captchas, gets answers, and runs fleets.

May import `tilefleet`, and `models` where it draws, reads or trains.

>>> from producer import Client
>>> with Client() as fleet:
...     answer = fleet.solve("captcha.jpg", timeout=5)

The same names are in `tilefleet`. A captcha is sent by name: nothing here needs the worker's code.
Rooms, each may import those before it:

    client        the two clients
    testing       the same with a fleet in memory
    terminal      what commands read and show
    monitoring    looks at a running fleet
    gateway       HTTP
    reading       captchas of the command line, and how answers are printed
    doctor        checks the whole road
    bench         load
    review        the page where people correct labels
    local         servers and workers of one's own
    cli           ``tilefleet``, a file for each command
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from producer.client import AsyncClient, AsyncPending, Client, Pending, Retries
    from tilefleet.answer import Answer
    from tilefleet.errors import TilefleetError

__all__ = [
    "Answer",
    "AsyncClient",
    "AsyncPending",
    "Client",
    "Pending",
    "Retries",
    "TilefleetError",
]

_HOMES = {
    "Answer": "tilefleet.answer",
    "AsyncClient": "producer.client",
    "AsyncPending": "producer.client",
    "Client": "producer.client",
    "Pending": "producer.client",
    "Retries": "producer.client",
    "TilefleetError": "tilefleet.errors",
}


def __getattr__(name: str) -> Any:
    """On first use: ``tilefleet --help`` and ``tilefleet health`` need no Celery."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value
