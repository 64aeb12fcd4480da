"""For the tests of programs that send captchas. May import the standard library only.

>>> from tilefleet.testing import AnswerFactory, FakeFleet
>>> fleet = FakeFleet()  # a Client whose fleet is in memory
>>> fleet.when("captcha.jpg", AnswerFactory().build(["电线"], [5, 7]))
>>> fleet.solve("captcha.jpg").picks
(5, 7)

`answers` makes answers; the fakes are those of `producer.testing`, real servers and workers those
of `producer.local`, both loaded when they are first used. `plugin` has pytest fixtures:
``pytest_plugins = ["tilefleet.testing.plugin"]``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tilefleet import producer_package
from tilefleet.testing.answers import AnswerFactory

if TYPE_CHECKING:
    from producer.local.server import EmbeddedServer
    from producer.local.worker import WorkerProcess
    from producer.testing import AsyncFakeFleet, FakeFleet

__all__ = ["AnswerFactory", "AsyncFakeFleet", "EmbeddedServer", "FakeFleet", "WorkerProcess"]

_HOMES = {
    "AsyncFakeFleet": "testing",
    "EmbeddedServer": "local.server",
    "FakeFleet": "testing",
    "WorkerProcess": "local.worker",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = f"{producer_package()}.{_HOMES[name]}"
    value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
