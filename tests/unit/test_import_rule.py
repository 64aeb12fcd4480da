"""Who may import whom: one table, checked over the syntax trees of all files.

Imports inside functions count like all others: they are late, not free.
"""

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, requires

import pytest

from tests.conftest import REPOSITORY

PACKAGES = ("tilefleet", "models", "worker", "producer")
#: Most modules side by side in a folder, its `__init__` not counted.
MOST_FILES = 14

_ENGINES = ("models.recognition", "models.networks", "models.runtimes", "models.store")
_EVALUATION = (*_ENGINES, "models.datasets", "models.drawing", "models.engines")
_TRAINING = (*_EVALUATION, "models.evaluation")
_SHOWN = ("tilefleet", "producer.client", "producer.terminal", "producer.monitoring")

#: Room → what of ours it may import beside itself. A file at the top of a package is a room.
RULE = {
    "tilefleet": (),
    "models.errors": ("tilefleet",),
    "models.recognition": ("tilefleet",),
    "models.runtimes": ("tilefleet",),
    "models.networks": ("tilefleet",),
    "models.store": ("tilefleet", "models.networks", "models.runtimes"),
    "models.datasets": ("tilefleet", "models.recognition"),
    "models.drawing": ("tilefleet", "models.recognition"),
    "models.legacy": ("tilefleet", "models.store", "models.networks", "models.runtimes"),
    "models.engines": ("tilefleet", *_ENGINES),
    "models.evaluation": ("tilefleet", *_EVALUATION),
    "models.training": ("tilefleet", *_TRAINING),
    "models.bootstrap": ("tilefleet", *_TRAINING, "models.training"),
    "worker.compression": (),
    "worker.fast_json": (),
    "worker.flowerconfig": ("tilefleet",),
    "worker.engine_room": ("tilefleet", "models"),
    "worker.transport": ("tilefleet", "worker.fast_json"),
    "worker.results": ("tilefleet", "worker.engine_room", "worker.fast_json"),
    "worker.intake": (
        *("tilefleet", "worker.results", "worker.engine_room"),
        "worker.transport",
    ),
    "worker.hub": ("tilefleet", "worker.results", "worker.engine_room", "worker.fast_json"),
    "worker.monitoring": (
        *("tilefleet", "worker.engine_room", "worker.transport", "worker.results"),
        "worker.hub",
    ),
    "worker": ("tilefleet", "models", "worker"),
    "producer.client": ("tilefleet",),
    "producer.testing": ("tilefleet", "producer.client"),
    "producer.terminal": ("tilefleet", "models"),
    "producer.monitoring": ("tilefleet", "producer.client", "producer.terminal"),
    "producer.gateway": ("tilefleet", "producer.client"),
    "producer.bench": _SHOWN,
    "producer.reading": ("tilefleet", "models", "producer.client", "producer.terminal"),
    "producer.doctor": (*_SHOWN, "models"),
    "producer.review": ("tilefleet", "models"),
    "producer.local": _SHOWN,
    "producer": ("tilefleet", "models", "producer"),
}
#: The public names are loaded from where they live, on first use.
FACES = {
    "tilefleet": ("producer.client",),
    "tilefleet.celery": ("worker",),
    "tilefleet.testing": ("producer.testing", "producer.local"),
}
#: Modules with a library that their room must not import: only who has it loads them.
WITH = {
    "tilefleet.testing.plugin": {"pytest"},
    "tilefleet.tracing.carrier": {"opentelemetry"},
    "tilefleet.tracing.provider": {"opentelemetry"},
}
#: What a room must not import, however it is installed.
FOREIGN = {
    "tilefleet": {"*"},
    "models": {"celery", "kombu", "redis", "click"},
    "worker.engine_room": {"celery", "kombu", "redis"},
    "producer.client": {"celery", "kombu", "click", "numpy"},
}
HEAVY = ("numpy", "PIL", "tensorflow", "keras", "jax", "ai_edge_litert", "h5py", "matplotlib")


@cache
def files() -> dict[str, ast.Module]:
    """Module → its syntax tree."""
    found = {}
    for package in PACKAGES:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            parts = path.relative_to(REPOSITORY).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


@cache
def packages() -> frozenset[str]:
    return frozenset(
        ".".join(path.parent.relative_to(REPOSITORY).parts)
        for package in PACKAGES
        for path in (REPOSITORY / package).rglob("__init__.py")
    )


def imports(module: str, *, types: bool = True, late: bool = True) -> Iterator[str]:
    """What a module imports; `types`: for type checkers too; `late`: inside functions too."""
    waiting = list(files()[module].body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            home = node.module or ""
            if node.level:
                base = module.split(".")
                cut = node.level - (module in packages())
                home = ".".join(filter(None, [*base[: len(base) - cut], home]))
            for each in node.names:
                inner = f"{home}.{each.name}"
                yield inner if inner in files() else home
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not late:
            continue
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test) and not types:
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)


def room(module: str) -> str:
    """The longest entry of the table that a module is in."""
    return max((name for name in RULE if f"{module}.".startswith(f"{name}.")), key=len)


def within(module: str, names) -> bool:
    return any(f"{module}.".startswith(f"{name}.") for name in names)


def test_every_file_imports_only_what_its_room_may():
    broken = [
        f"{module} imports {imported}"
        for module in files()
        for imported in imports(module)
        if imported.partition(".")[0] in PACKAGES
        and not within(imported, (room(module), *RULE[room(module)], *FACES.get(module, ())))
    ]
    assert broken == []


def test_every_file_imports_only_libraries_that_its_room_may():
    broken = []
    for module in files():
        foreign = {name.partition(".")[0] for name in imports(module)} - {*PACKAGES}
        foreign -= WITH.get(module, set())
        for name, refused in FOREIGN.items():
            if within(module, [name]):
                wrong = foreign - sys.stdlib_module_names if "*" in refused else foreign & refused
                broken += [f"{module} imports {library}" for library in sorted(wrong)]
    assert broken == []


def test_what_tests_share_is_in_their_support_and_not_in_a_test():
    shared = [
        f"{path.relative_to(REPOSITORY)} imports {node.module}"
        for path in sorted((REPOSITORY / "tests").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
        and re.fullmatch(r"tests(\.\w+)*\.test_\w+", node.module or "")
    ]
    assert shared == []


def test_no_module_imports_itself_by_way_of_others():
    loaded = {
        module: {name for name in imports(module, types=False, late=False) if name in files()}
        - {module}
        for module in files()
    }
    # Take away what imports nothing that is left, again and again: circles stay.
    while free := {module for module, names in loaded.items() if not names & loaded.keys()}:
        loaded = {module: names for module, names in loaded.items() if module not in free}
    # An `__init__` that re-exports is loaded before what it re-exports.
    assert {module for module in loaded if module not in packages()} == set()


def test_a_folder_has_few_files():
    counts = Counter(
        file.parent.relative_to(REPOSITORY).as_posix()
        for folder in (*PACKAGES, "tests", "benchmarks", "examples")
        for file in (REPOSITORY / folder).rglob("*.py")
        if file.name != "__init__.py"
    )
    # Commands, one a file, as people call them.
    del counts["benchmarks"]
    assert {name: count for name, count in counts.items() if count > MOST_FILES} == {}


def test_every_folder_says_what_it_is_and_what_it_may_import():
    silent = {
        name for name in packages() if "ay import" not in (ast.get_docstring(files()[name]) or "")
    }
    assert silent == set()


def loaded_by(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter has after `statement`."""
    script = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "from tilefleet import Client, AsyncClient, Answer, TilefleetError",
        "from producer import Client",
        "import producer.local.server",
        "from tilefleet.testing import EmbeddedServer, FakeFleet, WorkerProcess",
    ],
)
def test_a_client_loads_nothing_called_models_or_worker(statement):
    assert loaded_by(statement).isdisjoint({*HEAVY, "worker", "models"})


def test_the_command_line_loads_nothing_that_a_command_needs_before_it_runs():
    loaded = loaded_by("import producer.cli")
    libraries = {"celery", "kombu", "redis", "rich", "starlette", "uvicorn", "multiprocessing"}
    assert loaded.isdisjoint({*HEAVY, *libraries, "models", "worker"})


def test_public_names_are_loaded_when_they_are_used():
    loaded = loaded_by("import tilefleet; tilefleet.TilefleetError, dir(tilefleet)")
    assert loaded.isdisjoint({*HEAVY, "celery", "kombu", "redis", "click", "producer", "models"})


def test_all_public_names_are_there():
    import tilefleet

    assert {*tilefleet.__all__} <= {*dir(tilefleet)}
    assert all(getattr(tilefleet, name).__name__ == name for name in tilefleet.__all__)


def test_importing_the_worker_loads_no_runtime_and_no_producer():
    loaded = loaded_by("import worker; worker.app.loader.import_default_modules()")
    assert loaded.isdisjoint({"tensorflow", "keras", "jax", "ai_edge_litert", "producer"})
    # Flower imports it too, where only what sends is installed.
    assert loaded.isdisjoint({"numpy", "PIL", "prometheus_client"})


@pytest.mark.parametrize("name", ["worker", "tilefleet"])
def test_celery_finds_the_application(name):
    loaded_by(f"from celery.app.utils import find_app; assert find_app('{name}').main")


def test_the_former_place_of_the_errors_has_the_same_classes():
    import models.errors
    import tilefleet.errors

    for name in models.errors.__all__:
        assert getattr(models.errors, name) is getattr(tilefleet.errors, name)


def test_installing_the_client_alone_brings_neither_numpy_nor_networks():
    wanted, seen = ["tilefleet"], set()
    while wanted:
        package = wanted.pop()
        if package in seen:
            continue
        seen.add(package)
        try:
            lines = requires(package) or []
        except PackageNotFoundError:
            # For another platform or Python.
            continue
        # Of the extras, only Celery's and kombu's for Redis are asked for.
        asked = [line for line in lines if "extra ==" not in line or 'extra == "redis"' in line]
        wanted += [re.match(r"[\w.-]+", line)[0].lower() for line in asked]
    assert {"celery", "kombu", "redis", "msgpack"} <= seen
    heavy = {"numpy", "pillow", "tensorflow", "tensorflow-cpu", "keras", "ai-edge-litert", "h5py"}
    assert seen.isdisjoint(heavy)
