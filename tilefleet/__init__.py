"""What clients and workers agree on, and the public names. May import the standard library only.

>>> from tilefleet import Client
>>> with Client() as fleet:
...     answer = fleet.solve("captcha.jpg", timeout=5)

`answer` and `errors` are what comes back, `wire` the names and numbers on the wire, `labels` and
`geometry` what a captcha shows, `settings` (with `values`, `urls`) what is set, `report` and
`figures` what workers tell once a second, `health` the files by which one shows that it lives,
`files` atomic writes, `log` how the log looks. The public names below are loaded when they are
first used: the clients are those of `producer.client`, the application that of `worker.celery`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from producer.client import AsyncClient, AsyncPending, Client, Pending
    from tilefleet.answer import Answer
    from tilefleet.errors import (
        AnswerTimeout,
        BadCollection,
        BadImage,
        BadKeyFile,
        BadManifest,
        BadMessage,
        BadRequest,
        BadTiles,
        BrokenImage,
        EngineError,
        EngineUnavailable,
        FleetError,
        FleetUnreachable,
        GivenUp,
        HashMismatch,
        ModelError,
        ModelNotFound,
        NotANetwork,
        NotAnImage,
        Overloaded,
        Revoked,
        SettingError,
        TilefleetError,
        TooLarge,
        WrongSize,
    )

__all__ = [
    "Answer",
    "AnswerTimeout",
    "AsyncClient",
    "AsyncPending",
    "BadCollection",
    "BadImage",
    "BadKeyFile",
    "BadManifest",
    "BadMessage",
    "BadRequest",
    "BadTiles",
    "BrokenImage",
    "Client",
    "EngineError",
    "EngineUnavailable",
    "FleetError",
    "FleetUnreachable",
    "GivenUp",
    "HashMismatch",
    "ModelError",
    "ModelNotFound",
    "NotANetwork",
    "NotAnImage",
    "Overloaded",
    "Pending",
    "Revoked",
    "SettingError",
    "TilefleetError",
    "TooLarge",
    "WrongSize",
]

_CLIENTS = frozenset({"AsyncClient", "AsyncPending", "Client", "Pending"})


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in _CLIENTS:
        home = "producer.client"
    else:
        home = "tilefleet.answer" if name == "Answer" else "tilefleet.errors"
    value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
