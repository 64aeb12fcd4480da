"""Engines: a model loaded and warm in one runtime. May import `recognition`, `store`, `runtimes`.

`load` chooses one; `base` says what one is; `reader` reads captchas with one.
"""

from models.engines.base import Engine, Session
from models.runtimes import gpu_memory
from models.runtimes.installed import choose_engine, choose_keras_backend, require
from models.store import find
from tilefleet.settings import Settings

__all__ = ["Engine", "Session", "load"]


def load(settings: Settings, *, beside: bool = False) -> Engine:
    """The engine and model that the settings name, loaded but not yet warm.

    `beside`: another engine is reading in this process, and goes first.
    Raises ModelError if the model or the engine's library is missing or unusable.
    """
    if settings.engine == "null":
        from models.engines.null import NullEngine

        return NullEngine(max_batch=settings.max_batch)
    first = _load(settings, settings.model, beside=beside)
    if not settings.second_look:
        return first
    from models.engines.second import SecondLook

    return SecondLook(first, _load(settings, settings.second_look, beside=beside))


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
