"""Models in a store of a test's own."""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from models import store
from tilefleet.kind import BUILTIN

if TYPE_CHECKING:
    import keras


def copy_of_builtin(root: Path, name: str) -> Path:
    """The built-in model under another name, so that it has another identity."""
    folder = root / name
    shutil.copytree(store.BUILTIN / "builtin", folder)
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "name": name}))
    return folder


def words() -> "keras.Model":
    """A words network that is stored in a moment, where another one is what matters."""
    import keras

    header = keras.Input((*BUILTIN.layout.header_shape, 3), dtype="uint8")
    shape = (BUILTIN.layout.words, BUILTIN.none + 1)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(header))
    x = keras.layers.Reshape(shape)(keras.layers.Dense(shape[0] * shape[1])(x))
    return keras.Model(header, keras.layers.Softmax()(x), name="words")
