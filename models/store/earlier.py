"""Manifests of version 1: models of the one kind there was, which they name by a hash."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tilefleet.errors import BadManifest
from tilefleet.kind import BUILTIN

VERSION: Final = 1

#: What said what version 2 has in `kind`.
_REPLACED: Final = ("labels_sha256", "preprocessing", "inputs", "outputs")


def upgraded(encoded: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The same as version 2 has it; raises BadManifest for labels other than the built-in's."""
    labels = encoded.get("labels_sha256")
    if labels != BUILTIN.labels_sha256:
        raise BadManifest(
            f"{path} is for labels {str(labels)[:8]}; those of version {VERSION} are "
            f"{BUILTIN.labels_sha256[:8]}: its classes mean other things"
        )
    kept = {name: value for name, value in encoded.items() if name not in _REPLACED}
    return {
        "precision": "float32",
        "sharpness": 1.0,
        **kept,
        "version": 2,
        "kind": BUILTIN.encode(),
    }
