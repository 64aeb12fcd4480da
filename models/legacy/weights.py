"""The arrays of a file from anywhere: links are refused, and sizes are counted before reading."""

from pathlib import Path
from typing import Any, Final

import numpy as np

from models.legacy.network import Array
from tilefleet.errors import NotANetwork

MAX_PARAMETERS: Final = 8_000_000


class Weights:
    """The groups of layers in an HDF5 file, each with a list of the names of its arrays."""

    def __init__(self, path: Path, group: Any) -> None:
        self._path = path
        self._group = group
        self._left = MAX_PARAMETERS

    def names(self, layer: str) -> list[str]:
        """The names of a layer's arrays, in Keras's order."""
        return [text(name) for name in self._open(self._group, layer).attrs["weight_names"]]

    def array(self, layer: str, name: str) -> Array:
        """One array by the name that `names` gives; raises NotANetwork unless finite float32."""
        dataset = self._open(self._group, layer)
        for part in name.split("/"):
            dataset = self._open(dataset, part)
        if dataset.dtype != np.float32 or dataset.is_virtual or dataset.external:
            raise NotANetwork(f"{self._path}: {name} is not plain float32 but {dataset.dtype}")
        self._left -= dataset.size
        if self._left < 0:
            raise NotANetwork(f"{self._path} has more than {MAX_PARAMETERS:,} parameters")
        array: Array = dataset[()]
        if not np.isfinite(array).all():
            raise NotANetwork(f"{self._path}: {name} has values that are not finite")
        return array

    def _open(self, group: Any, name: str) -> Any:
        import h5py

        link = group.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            what = "is not in the file" if link is None else "is a link to elsewhere"
            raise NotANetwork(f"{self._path}: {name} {what}")
        return group[name]


def text(value: Any) -> str:
    """An HDF5 string, which comes as bytes or as text."""
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)
