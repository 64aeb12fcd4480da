"""Everything that we override or reach into of other people's classes is still there.

An override that nothing calls any more is silent; here it is a line that names it. The list is
`upstream.txt`: look at what has changed after an upgrade, or what you override anew, then
``python -m tests.unit.test_upstream`` writes the list.
"""

import inspect
import pkgutil
import re
from functools import cache
from importlib import import_module
from pathlib import Path

import kombu
import pytest
from kombu.transport import TRANSPORT_ALIASES

from worker import transport

LIST = Path(__file__).with_name("upstream.txt")
OURS = ("worker", "producer.client", "producer.gateway", "producer.local", "producer.testing")
#: Celery itself sets names on every task that it registers.
_TASK = "celery.app.task:Task"
THEIRS = ("celery", "kombu", "redis", "uvicorn", "starlette")


@pytest.fixture(autouse=True, scope="module")
def transports_as_before():
    """What looks at all that an application has configures it, which changes what URLs mean."""
    before = dict(TRANSPORT_ALIASES)
    yield
    TRANSPORT_ALIASES.update(before)


def recorded() -> dict[str, list[str]]:
    """``module:Class`` → lines."""
    found: dict[str, list[str]] = {}
    for line in LIST.read_text().splitlines():
        if line and not line.startswith(("#", " ")):
            found[line] = []
        elif line.startswith(" "):
            found[[*found][-1]].append(line.strip())
    return found


def loaded(path: str) -> type:
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)


def described(kind: type, name: str) -> str:
    """The name as it is in the class itself: a function's with its parameters."""
    if name in vars(kind):
        function = getattr(vars(kind)[name], "__func__", vars(kind)[name])
        return f"{name}({parameters(function)})" if inspect.isfunction(function) else name
    # What its methods set.
    is_set = re.search(rf"\bself\.{name}\b[^=\n]*=[^=]", inspect.getsource(kind))
    return name if is_set else f"{name} is gone"


def parameters(function) -> str:
    marks = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    return ", ".join(
        marks.get(each.kind, "") + each.name + ("=" if each.default is not each.empty else "")
        for each in inspect.signature(function).parameters.values()
    )


def names(lines: list[str]) -> list[str]:
    return [line.partition("(")[0] for line in lines]


@pytest.mark.parametrize("path", recorded())
def test_what_we_use_of_a_class_is_there_as_recorded(path):
    lines = recorded()[path]
    assert [described(loaded(path), name) for name in names(lines)] == lines


@cache
def overridden() -> set[tuple[str, str]]:
    """(``module:Class``, name) of everything of theirs that a class of ours replaces."""
    found = set()
    for package in OURS:
        for each in pkgutil.walk_packages(import_module(package).__path__, f"{package}."):
            # Flower runs it as its configuration.
            module = None if each.name == "worker.flowerconfig" else import_module(each.name)
            for ours in vars(module).values() if module else ():
                if inspect.isclass(ours) and ours.__module__ == each.name:
                    found |= {
                        (f"{theirs.__module__}:{theirs.__name__}", name)
                        for name in vars(ours)
                        if not name.startswith("__")
                        if (theirs := _home(ours, name)) is not None
                    }
    return found


def _home(ours: type, name: str) -> type | None:
    """The class of theirs that has the name, nearest to ours."""
    near = next((base for base in ours.__mro__[1:] if name in vars(base)), None)
    return near if near is not None and near.__module__.partition(".")[0] in THEIRS else None


def test_everything_that_we_override_is_recorded():
    known = {(path, name) for path, lines in recorded().items() for name in names(lines)}
    ours = {(path, name) for path, name in overridden() if path != _TASK}
    assert ours - known == set()
    assert len(ours) > 50


def test_with_another_kombu_its_own_transport_stays(monkeypatch, caplog):
    aliases = dict(TRANSPORT_ALIASES)
    monkeypatch.setattr("kombu.VERSION", kombu.VERSION._replace(minor=8))
    monkeypatch.setattr("kombu.__version__", "5.8.0")
    transport.install()
    assert dict(TRANSPORT_ALIASES) == aliases
    (record,) = caplog.records
    assert record.message.startswith("kombu is 5.8.0, and the batch transport is made for 5.7: ")


def renewed() -> str:
    """The list as it is now: what is recorded, and what is overridden since."""
    found = {path: set(names(lines)) for path, lines in recorded().items()}
    for path, name in overridden():
        if path != _TASK:
            found.setdefault(path, set()).add(name)
    head = [line for line in LIST.read_text().splitlines() if line.startswith("#")]
    parts = [
        "\n".join(
            [
                path,
                *(
                    f"    {line}"
                    for line in sorted(described(loaded(path), name) for name in all_of)
                ),
            ]
        )
        for path, all_of in sorted(found.items())
    ]
    return "\n\n".join(["\n".join(head), *parts]) + "\n"


if __name__ == "__main__":
    LIST.write_text(renewed())
