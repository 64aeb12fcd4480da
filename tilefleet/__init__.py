"""What clients and workers agree on, and the public names. May import the standard library only.

>>> from tilefleet import Client
>>> with Client() as fleet:
...     answer = fleet.solve("captcha.jpg", timeout=5)

`answer` and `errors` are what comes back, `wire` the names and numbers on the wire, `kind` and
`layout` what a captcha shows, `settings` (with `values`, `urls`) what is set, `report` and
`figures` what workers tell once a second, `health` the files by which one shows that it lives,
`files` atomic writes, `log` how the log looks, `tracing` OpenTelemetry's spans, `celery` the
application of `worker.celery`, `testing` what tests of a bot need. The public names below are
loaded when they are first used; the clients are those of `producer.client`.
"""

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from producer.client import AsyncClient, AsyncPending, Client, Pending, Retries
    from tilefleet.answer import Answer
    from tilefleet.errors import (
        AnswerTimeout,
        BadAnswers,
        BadArchive,
        BadArgument,
        BadCollection,
        BadImage,
        BadKeyFile,
        BadKind,
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
        UnknownModel,
        WrongSize,
    )

__all__ = [
    "Answer",
    "AnswerTimeout",
    "AsyncClient",
    "AsyncPending",
    "BadAnswers",
    "BadArchive",
    "BadArgument",
    "BadCollection",
    "BadImage",
    "BadKeyFile",
    "BadKind",
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
    "Retries",
    "Revoked",
    "SettingError",
    "TilefleetError",
    "TooLarge",
    "UnknownModel",
    "WrongSize",
]

_HOME = Path(__file__).resolve().parents[1]
_CLIENTS = frozenset({"AsyncClient", "AsyncPending", "Client", "Pending", "Retries"})


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in _CLIENTS:
        home = f"{producer_package()}.client"
    else:
        home = "tilefleet.answer" if name == "Answer" else "tilefleet.errors"
    value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def in_the_way(*names: str) -> str | None:
    """What to say where a program's own file hides one of our packages; None: none does."""
    for name in names:
        if not _is_ours(name):
            found = _find(name)
            where = found.origin if found and found.origin else "a module made by the program"
            return f"{where} hides tilefleet's package {name!r}: rename it, or start this elsewhere"
    return None


def _is_ours(name: str) -> bool:
    """Whether importing that name gives the package beside this one; nothing is imported."""
    found = _find(name)
    places = found.submodule_search_locations if found else None
    return any(Path(place).resolve() == _HOME / name for place in places or ())


def _find(name: str) -> ModuleSpec | None:
    try:
        return find_spec(name)
    except ValueError:  # a module that somebody made and put there
        return None


def producer_package() -> str:
    """The name of our package `producer`: another one where a program has a producer.py.

    The program's own file is neither imported nor run. What is loaded by that other name (`client`,
    `testing`, and of `local` servers and workers) imports its neighbours relatively.
    """
    if _is_ours("producer"):
        return "producer"
    name = "tilefleet._producer"
    if name not in sys.modules:
        ours = _HOME / "producer"
        spec = spec_from_file_location(
            name, ours / "__init__.py", submodule_search_locations=[str(ours)]
        )
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = module = module_from_spec(spec)
        spec.loader.exec_module(module)
    return name
