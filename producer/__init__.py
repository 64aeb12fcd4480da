"""Sends captchas, gets answers.

>>> from producer import Client
>>> with Client() as fleet:
...     answer = fleet.solve("captcha.jpg", timeout=5)

Needs neither the worker's code nor a network: a captcha is sent by name. Reading order: `client`,
`async_client` (on `async_wire`, `results` and `message`), then `cli` (the command line, with a
module for each command), `gateway` (HTTP), `embedded` and `workers` (a server and workers of one's
own), `demo`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.answer import Answer
    from models.errors import TilefleetError
    from producer.async_client import AsyncClient
    from producer.async_pending import AsyncPending
    from producer.client import Client, Pending

__all__ = ["Answer", "AsyncClient", "AsyncPending", "Client", "Pending", "TilefleetError"]

_HOMES = {
    "Answer": "models.answer",
    "AsyncClient": "producer.async_client",
    "AsyncPending": "producer.async_pending",
    "Client": "producer.client",
    "Pending": "producer.client",
    "TilefleetError": "models.errors",
}


def __getattr__(name: str) -> Any:
    """On first use: ``tilefleet --help`` and ``tilefleet health`` need no Celery."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value
