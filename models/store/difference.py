"""What tells two models of the store apart: ``tilefleet models diff``."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from models.store.entries import Entry

#: What of a manifest tells nothing of the model itself, or is told by its files.
_LEFT_OUT: Final = frozenset({"name", "files"})


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that two models do not share."""

    #: The names on the way to it: ("evaluation", "captchas2016", "exact").
    path: tuple[str, ...]
    #: As JSON has it; None where a model has no such value.
    first: Any
    second: Any


def differences(first: Entry, second: Entry) -> list[Difference]:
    """What differs, in the order of the manifests: networks by their files' hashes, all else by its
    value."""
    sides = [_values(first), _values(second)]
    paths = list(dict.fromkeys(path for side in sides for path in side))
    return [
        Difference(path, *(side.get(path) for side in sides))
        for path in paths
        if sides[0].get(path) != sides[1].get(path)
    ]


def _values(entry: Entry) -> dict[tuple[str, ...], Any]:
    manifest = asdict(entry.manifest)
    files = {file: digest[:8] for file, digest in sorted(entry.manifest.files.items())}
    rest = {name: value for name, value in manifest.items() if name not in _LEFT_OUT}
    return dict(_leaves({"files": files, **rest}))


def _leaves(value: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value that is no mapping, with the names that lead to it."""
    if not isinstance(value, Mapping):
        yield path, list(value) if isinstance(value, tuple) else value
        return
    for name, each in value.items():
        yield from _leaves(each, *path, name)
