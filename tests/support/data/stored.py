"""Models in a store of a test's own."""

import json
import shutil
from pathlib import Path

from models import store


def copy_of_builtin(root: Path, name: str) -> Path:
    """The built-in model under another name, so that it has another identity."""
    folder = root / name
    shutil.copytree(store.BUILTIN / "builtin", folder)
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "name": name}))
    return folder
