"""Engines: a model loaded and warm in one runtime. May import `recognition`, `store`, `runtimes`.

`load` chooses one, `load_all` several; `base` says what one is; `reader` reads captchas with one.
"""

from dataclasses import replace

from models.engines.base import Engine, Session
from models.runtimes import gpu_memory
from models.runtimes.installed import choose_engine, choose_keras_backend, require
from models.store import find
from tilefleet.settings import Settings

__all__ = ["Engine", "Session", "load", "load_all"]


def load(settings: Settings, *, beside: bool = False) -> Engine:
    """The engine and model that the settings name, the first of several, loaded but not yet warm.

    `beside`: another engine is reading in this process, and goes first.
    Raises ModelError if the model or the engine's library is missing or unusable.
    """
    return load_all(replace(settings, models=settings.models[:1]), beside=beside)[settings.model]


def load_all(settings: Settings, *, beside: bool = False) -> dict[str, Engine]:
    """The engines of all models that the settings name, by these names; as `load`."""
    if settings.engine == "null":
        from models.engines.null import NullEngine

        several = len(settings.models) > 1
        return {
            name: NullEngine(name if several else "", max_batch=settings.max_batch)
            for name in settings.models
        }
    found = {name: _load(settings, name, beside=beside) for name in settings.models}
    if not settings.second_look:
        return found
    from models.engines.second import SecondLook, fit

    second = found.get(settings.second_look) or _load(settings, settings.second_look, beside=beside)
    if len(found) == 1:
        ((name, first),) = found.items()
        return {name: SecondLook(first, second)}
    # Of several models, the second itself and those that read other captchas answer alone.
    fits = {name for name, first in found.items() if fit(first, second)} or found.keys()
    return {
        name: SecondLook(first, second) if name in fits and first is not second else first
        for name, first in found.items()
    }


def _load(settings: Settings, name: str, *, beside: bool) -> Engine:
    entry = find(name, root=settings.store)
    kind = choose_engine() if settings.engine == "auto" else settings.engine
    options = {"max_batch": settings.max_batch, "max_bytes": settings.max_bytes}
    if kind == "litert":
        require("ai_edge_litert", "the litert engine", "worker")
        from models.engines.litert import LiteRTEngine

        return LiteRTEngine(
            entry,
            precision=settings.precision,
            tile_cache=settings.tile_cache,
            beside=beside,
            **options,
        )
    choose_keras_backend("the keras engine", "tensorflow")
    gpu_memory.share(settings.gpu_memory_mb)
    from models.engines.keras import KerasEngine

    return KerasEngine(entry, **options)
