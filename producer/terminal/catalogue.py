"""A model of the store as people read it: what it is, where it comes from, how right it is."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from models.store.manifest import Manifest
from tilefleet.errors import TilefleetError
from tilefleet.settings import Settings

#: What a network's training tells of where it comes from, in this order; the rest is in --json.
_ORIGIN: Final = ("from", "imported_from", "teacher", "headers", "pictures", "minutes")


def chosen(settings: Settings) -> str:
    """The model that is set, as answers name it; or why there is none."""
    if settings.engine == "null":
        return "null: answers without looking"
    from models import store

    try:
        return store.find(settings.model, root=settings.store).identity
    except TilefleetError as error:
        return str(error)
    except ModuleNotFoundError as error:
        return f"{settings.model}: {error.name} reads it: pip install 'tilefleet[worker]'"


def show_model(manifest: Manifest, *, chosen: bool) -> str:
    """Some lines; the first begins with a star if workers load it."""
    lines = [f"{'*' if chosen else ' '} {manifest.identity}  {manifest.precision}"]
    for network, parameters in manifest.parameters.items():
        training = manifest.training.get(network)
        how = "; ".join(_origin(training if isinstance(training, Mapping) else {}))
        lines.append(f"    {network}: {parameters:,} parameters" + (f", {how}" if how else ""))
    for what, figures in manifest.evaluation.items():
        lines.append(f"    {what.replace('_', ' ')}: {_told(figures)}")
    return "\n".join(lines)


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
