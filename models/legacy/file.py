"""What a legacy Keras 2.x `.h5` file says: the layers with their weights, and nothing executed.

The files come from anywhere: only the JSON of the configuration and arrays of the expected shapes
are read, links out of the file are refused, and sizes are capped before anything is allocated.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from models.legacy import residual
from models.legacy.network import Array, Layer, LegacyFile
from models.legacy.weights import Weights, text
from tilefleet.errors import NotANetwork

MAX_BYTES: Final = 64 << 20
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
            return residual.read(path, file) if residual.is_one(file) else _read(path, file)
    except (OSError, RuntimeError) as error:
        with path.open("rb") as start:
            head = start.read(8)
        raise NotANetwork(
            f"{path} ({size:,} bytes, starting {head!r}) is not a whole HDF5 file: {error}"
        ) from None
    except RecursionError:
        raise NotANetwork(f"{path} is nested too deeply") from None
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise NotANetwork(f"{path} is not a Keras 2 network: {error!r}") from None


def _read(path: Path, file: Any) -> LegacyFile:
    if "model_config" not in file.attrs or "model_weights" not in file:
        found = ", ".join([*list(file)[:5], *list(file.attrs)[:5]]) or "nothing"
        raise NotANetwork(
            f"{path} is HDF5 but no Keras 2 network: "
            f"no model_config and model_weights, only {found}"
        )
    version = text(file.attrs.get("keras_version", b"unknown"))
    if not version.startswith("2."):
        raise NotANetwork(f"{path} was written by Keras {version}, not 2.x")
    model = json.loads(text(file.attrs["model_config"]))
    config = model["config"]
    listed = config if isinstance(config, list) else config["layers"]
    if len(listed) > _MAX_LAYERS:
        raise NotANetwork(f"{path} has {len(listed)} layers; at most {_MAX_LAYERS} are read")
    weights = Weights(path, file["model_weights"])
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
        name = settings["name"]
        arrays = _weights_of(weights, path, kind, name)
        layers.append(Layer(name, kind, settings, inputs, arrays))
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


def _weights_of(weights: Weights, path: Path, kind: str, name: str) -> dict[str, Array]:
    names = _WEIGHTS[kind]
    if not names:
        return {}
    listed = {full.rsplit("/", 1)[-1].split(":")[0]: full for full in weights.names(name)}
    if missing := set(names) - set(listed) - {"bias", "gamma", "beta"}:
        raise NotANetwork(f"{path}: layer {name!r} lacks {sorted(missing)}")
    return {each: weights.array(name, listed[each]) for each in names if each in listed}


def _only(path: Path, outputs: list[list[Any]]) -> str:
    if len(outputs) != 1:
        raise NotANetwork(f"{path} has {len(outputs)} outputs, not 1")
    return str(outputs[0][0])
