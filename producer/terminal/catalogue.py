"""A model of the store as people read it: what it is, where it comes from, how right it is."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from models.store.difference import Difference
from models.store.entries import Entry
from models.store.manifest import Manifest
from tilefleet.errors import ModelError, TilefleetError
from tilefleet.settings import Settings

#: What a network's training tells of where it comes from, in this order; the rest is in --json.
_ORIGIN: Final = ("from", "imported_from", "teacher", "headers", "pictures", "minutes")
#: Workers that are named; the others are counted.
_NAMED: Final = 4


def chosen(settings: Settings) -> str:
    """The models that are set, as answers name them; or why there is none."""
    if settings.engine == "null":
        return "null: answers without looking"
    from models import store

    try:
        found = [store.find(name, root=settings.store) for name in settings.models]
        return ", ".join(entry.identity for entry in found)
    except TilefleetError as error:
        return str(error)
    except ModuleNotFoundError as error:
        return (
            f"{', '.join(settings.models)}: {error.name} reads it: pip install 'tilefleet[worker]'"
        )


def show_model(manifest: Manifest, *, chosen: bool, workers: Sequence[str] = ()) -> str:
    """Some lines; the first begins with a star if workers load it.

    `workers`: those that read with it now.
    """
    lines = [f"{'*' if chosen else ' '} {manifest.identity}  {manifest.precision}"]
    for network, parameters in manifest.parameters.items():
        training = manifest.training.get(network)
        how = "; ".join(_origin(training if isinstance(training, Mapping) else {}))
        lines.append(f"    {network}: {parameters:,} parameters" + (f", {how}" if how else ""))
    for what, figures in manifest.evaluation.items():
        lines.append(f"    {what.replace('_', ' ')}: {_told(figures)}")
    if workers:
        lines.append(f"    {show_workers(workers)} with it")
    return "\n".join(lines)


def show_workers(workers: Sequence[str]) -> str:
    """``2 workers (first@here, second@here) read``."""
    named = ", ".join([*workers[:_NAMED], *(["…"] if workers[_NAMED:] else [])])
    if len(workers) == 1:
        return f"1 worker ({named}) reads"
    return f"{len(workers)} workers ({named}) read"


def describe(entry: Entry, *, workers: Sequence[str] | None) -> dict[str, Any]:
    """All that is known of a model, for JSON; each of its files is read and its hash checked.

    `workers`: those that read with it now; None: nobody knows.
    """
    manifest = entry.manifest
    files: dict[str, Any] = {}
    for file in manifest.network_files:
        digest = manifest.files[file]
        try:
            files[file] = {"bytes": len(entry.read(file)), "sha256": digest, "whole": True}
        except ModelError as error:
            files[file] = {"sha256": digest, "whole": False, "why": str(error)}
    return {
        "model": entry.identity,
        "folder": str(entry.folder),
        "workers": None if workers is None else list(workers),
        "precision": manifest.precision,
        "sharpness": manifest.sharpness,
        "kind": manifest.kind.encode(),
        "parameters": dict(manifest.parameters),
        "files": files,
        "training": dict(manifest.training),
        "evaluation": dict(manifest.evaluation),
    }


def whole(described: Mapping[str, Any]) -> bool:
    """Whether all files of what `describe` told are those that the manifest was written for."""
    return all(file["whole"] for file in described["files"].values())


def outline(value: Mapping[str, Any], indent: int = 0) -> Iterator[str]:
    """Names and values, a line each, what is inside a value indented below its name."""
    for name, each in value.items():
        start = " " * indent + str(name).replace("_", " ") + ":"
        if isinstance(each, Mapping) and each:
            yield start
            yield from outline(each, indent + 2)
        else:
            yield f"{start} {_shown(each)}"


def show_differences(first: str, second: str, found: Sequence[Difference]) -> list[str]:
    """A line of names, then what each has of every value that differs, one below the other."""
    if not found:
        return [f"{first} and {second} differ in nothing but their names"]
    lines = [f"- {first}", f"+ {second}"]
    for each in found:
        lines.append(": ".join(name.replace("_", " ") for name in each.path))
        sides = {"-": each.first, "+": each.second}
        lines += [f"  {sign} {_shown(side)}" for sign, side in sides.items() if side is not None]
    return lines


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return _plain(value) or "-"
    if isinstance(value, list | tuple):
        nested = any(isinstance(each, Mapping | list | tuple) for each in value)
        return ("; " if nested else ", ").join(map(_shown, value)) or "-"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _origin(training: Mapping[str, Any]) -> Iterator[str]:
    for name in _ORIGIN:
        value = training.get(name)
        if not value:
            continue
        if name in ("from", "imported_from"):
            yield f"{name.replace('_', ' ')} {value}"
        elif name == "minutes":
            with suppress(TypeError, ValueError):
                spent = sum(value) if isinstance(value, list) else value
                yield f"{spent:.0f} minutes of training"
        else:
            yield f"{name}: {_plain(value)}"


def _told(figures: Any) -> str:
    """A manifest may have come from anywhere: what is no score is shown as it is."""
    if isinstance(figures, Mapping) and "exact" in figures:
        with suppress(LookupError, TypeError, ValueError):
            return _score(figures)
    return _plain(figures)


def _score(figures: Mapping[str, Any]) -> str:
    """What `models.evaluation.score.Score.summary` wrote, of this version or an earlier one."""
    captchas = figures["captchas"]
    told = [
        f"words {figures['words_right']} of {figures.get('words', captchas)}",
        f"exact {figures['exact']} of {captchas}",
    ]
    if (right := figures.get("exact_at_0.9")) is not None:
        told.append(f"{right:.1%} exact at confidence ≥ 0.9 ({figures['coverage_at_0.9']:.0%})")
    told.append(f"calibration error {figures['calibration_error']}")
    if figures.get("strange"):
        told.append(f"doubts {figures['strange_doubted']} of {figures['strange']} strange words")
    if "ms" in figures:
        told.append(f"{figures['ms']} ms")
    return ", ".join(told)


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name.replace('_', ' ')} {_plain(each)}" for name, each in value.items())
    return f"{value:.2g}" if isinstance(value, float) else str(value)
