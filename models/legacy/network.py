"""A legacy network as data: its layers with their weights, and which family's pictures it takes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tilefleet.errors import NotANetwork

Array = NDArray[np.float32]

#: What decides how pictures are prepared and in which order the classes are: that of easy12306
#: and its heirs, whose files say how they are built, or that of Cracking-12306.
Family = Literal["easy12306", "cracking-12306"]


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: what kind, its configuration, where its input comes from, its weights."""

    name: str
    kind: str
    config: Mapping[str, Any]
    #: Names of the layers whose outputs it takes; none for the network's input.
    inputs: tuple[str, ...]
    weights: Mapping[str, Array]

    @property
    def parameters(self) -> int:
        return sum(array.size for array in self.weights.values())


@dataclass(frozen=True, slots=True)
class LegacyFile:
    """A network of one input and one output, its layers in an order that can be computed."""

    path: Path
    keras_version: str
    #: Height, width, channels; None where any size goes.
    input_shape: tuple[int | None, ...]
    layers: tuple[Layer, ...]
    #: The name of the layer whose output is the network's.
    output: str
    family: Family = "easy12306"

    @property
    def parameters(self) -> int:
        return sum(layer.parameters for layer in self.layers)

    @property
    def classes(self) -> int:
        """How many probabilities come out: the width of the last layer that has weights."""
        for layer in reversed(self.layers):
            if "kernel" in layer.weights:
                return int(layer.weights["kernel"].shape[-1])
        raise NotANetwork(f"{self.path} has no layer with weights")

    def summary(self) -> str:
        shape = "×".join("any" if side is None else str(side) for side in self.input_shape)
        kinds = [layer.kind for layer in self.layers]
        counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
        return (
            f"{self.path.name}: Keras {self.keras_version}, input {shape}, {self.classes} classes, "
            f"{self.parameters:,} parameters, {len(kinds)} layers ({counts})"
        )
