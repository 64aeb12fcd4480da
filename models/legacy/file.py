"""What a legacy Keras 2.x `.h5` file says: the layers with their weights, and nothing executed.

The files come from anywhere: only the JSON of the configuration and arrays of the expected shapes
are read, links out of the file are refused, and sizes are capped before anything is allocated.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tilefleet.errors import NotANetwork

MAX_BYTES: Final = 64 << 20
MAX_PARAMETERS: Final = 8_000_000
_MAX_LAYERS: Final = 500

#: Class → the names of its weights, in Keras's order, of which biases may be missing.
_WEIGHTS: Final[Mapping[str, tuple[str, ...]]] = {
    "InputLayer": (),
    "Conv2D": ("kernel", "bias"),
    "DepthwiseConv2D": ("depthwise_kernel", "bias"),
    "Dense": ("kernel", "bias"),
    "BatchNormalization": ("gamma", "beta", "moving_mean", "moving_variance"),
    "Activation": (),
    "ReLU": (),
    "MaxPooling2D": (),
    "AveragePooling2D": (),
    "GlobalAveragePooling2D": (),
    "Dropout": (),
    "Flatten": (),
    "Reshape": (),
    "Add": (),
}

#: Settings of a layer that only have a meaning here at these values.
_FIXED: Final[Mapping[str, tuple[Any, ...]]] = {
    "data_format": ("channels_last",),
    "dilation_rate": ([1, 1], 1),
    "depth_multiplier": (1,),
    "groups": (1,),
    "axis": (-1, 3, [3]),
    "negative_slope": (0, None),
    "threshold": (0, None),
    "activation": ("linear", "relu", "softmax"),
    "padding": ("same", "valid"),
}

Array = NDArray[np.float32]


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


def read(path: Path) -> LegacyFile:
    """Read one file; raises NotANetwork, whatever is wrong with it."""
    import h5py

    try:
        size = path.stat().st_size
    except OSError as error:
        raise NotANetwork(f"{path}: {error.strerror}") from None
    if not path.is_file():
        raise NotANetwork(f"{path} is not a file")
    if size > MAX_BYTES:
        raise NotANetwork(f"{path} has {size:,} bytes; at most {MAX_BYTES:,} are read")
    try:
        with h5py.File(path, "r") as file:
            return _read(path, file)
    except (OSError, RuntimeError) as error:
        with path.open("rb") as start:
            head = start.read(8)
        raise NotANetwork(
            f"{path} ({size:,} bytes, starting {head!r}) is not a whole HDF5 file: {error}"
        ) from None
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise NotANetwork(f"{path} is not a Keras 2 network: {error!r}") from None


def _read(path: Path, file: Any) -> LegacyFile:
    if "model_config" not in file.attrs or "model_weights" not in file:
        found = ", ".join([*list(file)[:5], *list(file.attrs)[:5]]) or "nothing"
        raise NotANetwork(
            f"{path} is HDF5 but no Keras 2 network: "
            f"no model_config and model_weights, only {found}"
        )
    version = _text(file.attrs.get("keras_version", b"unknown"))
    if not version.startswith("2."):
        raise NotANetwork(f"{path} was written by Keras {version}, not 2.x")
    model = json.loads(_text(file.attrs["model_config"]))
    config = model["config"]
    listed = config if isinstance(config, list) else config["layers"]
    if len(listed) > _MAX_LAYERS:
        raise NotANetwork(f"{path} has {len(listed)} layers; at most {_MAX_LAYERS} are read")
    weights = _Weights(path, file["model_weights"])
    layers: list[Layer] = []
    for entry in listed:
        kind, settings = entry["class_name"], entry["config"]
        if kind not in _WEIGHTS:
            raise NotANetwork(
                f"{path} has a layer {settings.get('name')!r} of class {kind!r}; "
                f"known: {', '.join(_WEIGHTS)}"
            )
        for setting, values in _FIXED.items():
            if setting in settings and settings[setting] not in values:
                raise NotANetwork(
                    f"{path}: layer {settings['name']!r} has {setting} {settings[setting]!r}, "
                    f"not {' or '.join(map(repr, values))}"
                )
        if model["class_name"] == "Sequential":
            inputs: tuple[str, ...] = (layers[-1].name,) if layers else ()
        else:
            inputs = tuple(node[0] for nodes in entry["inbound_nodes"] for node in nodes)
        if unknown := set(inputs) - {layer.name for layer in layers}:
            raise NotANetwork(
                f"{path}: layer {settings['name']!r} takes {unknown} before it is made"
            )
        layers.append(Layer(settings["name"], kind, settings, inputs, weights.of(kind, settings)))
    output = (
        layers[-1].name
        if isinstance(config, list) or "output_layers" not in config
        else (_only(path, config["output_layers"]))
    )
    shape = layers[0].config["batch_input_shape"]
    if len(shape) != 4:
        raise NotANetwork(
            f"{path} takes input of shape {shape}, not (batch, height, width, channels)"
        )
    return LegacyFile(path, version, tuple(shape[1:]), tuple(layers), output)


class _Weights:
    """The arrays of a file, counted before they are read."""

    def __init__(self, path: Path, group: Any) -> None:
        self._path = path
        self._group = group
        self._left = MAX_PARAMETERS

    def of(self, kind: str, config: Mapping[str, Any]) -> dict[str, Array]:
        names = _WEIGHTS[kind]
        if not names:
            return {}
        layer = self._open(self._group, config["name"])
        listed = {
            _text(name).rsplit("/", 1)[-1].split(":")[0]: _text(name)
            for name in layer.attrs["weight_names"]
        }
        if missing := set(names) - set(listed) - {"bias", "gamma", "beta"}:
            raise NotANetwork(f"{self._path}: layer {config['name']!r} lacks {sorted(missing)}")
        return {name: self._array(layer, listed[name]) for name in names if name in listed}

    def _array(self, layer: Any, name: str) -> Array:
        dataset = layer
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

        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise NotANetwork(f"{self._path}: {name} is a link to elsewhere")
        return group[name]


def _only(path: Path, outputs: list[list[Any]]) -> str:
    if len(outputs) != 1:
        raise NotANetwork(f"{path} has {len(outputs)} outputs, not 1")
    return str(outputs[0][0])


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)
