"""Engines: a model loaded and warm in one runtime. `load` chooses; `base` says what one is."""

import importlib.util
import os
from pathlib import Path

from models.engines.base import Engine, Lane
from models.errors import EngineUnavailable
from models.native import messages_as_debug
from models.settings import Settings
from models.store import find

__all__ = ["Engine", "Lane", "load"]


def load(settings: Settings, *, beside: bool = False) -> Engine:
    """The engine and model that the settings name, loaded but not yet warm.

    `beside`: another engine is reading in this process, and goes first.
    Raises ModelError if the model or the engine's library is missing or unusable.
    """
    if settings.engine == "null":
        from models.engines.null import NullEngine

        return NullEngine(max_batch=settings.max_batch)
    entry = find(settings.model, root=settings.store)
    kind = _choose() if settings.engine == "auto" else settings.engine
    options = {"max_batch": settings.max_batch, "max_bytes": settings.max_bytes}
    if kind == "litert":
        _require("ai_edge_litert", "litert", "worker")
        from models.engines.litert import LiteRTEngine

        return LiteRTEngine(entry, tile_cache=settings.tile_cache, beside=beside, **options)
    choose_keras_backend()
    from models.engines.keras import KerasEngine

    return KerasEngine(entry, **options)


def choose_keras_backend() -> None:
    """Import Keras on KERAS_BACKEND, if that is set, else on TensorFlow, else on JAX.

    Raises EngineUnavailable where none is installed.
    """
    _require("keras", "keras", "tensorflow")
    found = [backend for backend in ("tensorflow", "jax") if _installed(backend)]
    if not found:
        raise EngineUnavailable(
            "the keras engine needs TensorFlow or JAX: pip install 'tilefleet[tensorflow]'"
        )
    os.environ.setdefault("KERAS_BACKEND", found[0])
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with messages_as_debug():
        import keras  # noqa: F401


def _choose() -> str:
    """LiteRT on a CPU; Keras where there is a GPU and something to use it, or no LiteRT."""
    gpu = Path("/dev/nvidiactl").exists() and (_installed("tensorflow") or _installed("jax"))
    return "keras" if gpu or not _installed("ai_edge_litert") else "litert"


def _require(module: str, engine: str, extra: str) -> None:
    if not _installed(module):
        raise EngineUnavailable(
            f"the {engine} engine needs {module}: pip install 'tilefleet[{extra}]'"
        )


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
