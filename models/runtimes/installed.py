"""Which runtimes are installed, and which of them is chosen."""

import importlib.util
import os
from pathlib import Path

from models.runtimes import gpu_memory
from models.runtimes.native_stderr import messages_as_debug
from tilefleet.errors import EngineUnavailable


def choose_keras_backend(wanted: str = "making networks", extra: str = "train") -> None:
    """Import Keras on KERAS_BACKEND, if that is set, else on TensorFlow, else on JAX.

    Raises EngineUnavailable where none is installed, with `wanted`, what needs it, and the extra
    to install.
    """
    require("keras", wanted, extra)
    found = [backend for backend in ("tensorflow", "jax") if _installed(backend)]
    if not found:
        raise EngineUnavailable(
            f"{wanted} needs TensorFlow or JAX: pip install 'tilefleet[{extra}]'"
        )
    os.environ.setdefault("KERAS_BACKEND", found[0])
    gpu_memory.before_import(os.environ["KERAS_BACKEND"])
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with messages_as_debug():
        import keras  # noqa: F401


def choose_engine() -> str:
    """LiteRT on a CPU; Keras where there is a GPU and something to use it, or no LiteRT."""
    gpu = Path("/dev/nvidiactl").exists() and (_installed("tensorflow") or _installed("jax"))
    return "keras" if gpu or not _installed("ai_edge_litert") else "litert"


def require(module: str, wanted: str, extra: str) -> None:
    """Raise EngineUnavailable, with what needs it and the extra, where `module` is missing."""
    if not _installed(module):
        raise EngineUnavailable(f"{wanted} needs {module}: pip install 'tilefleet[{extra}]'")


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
