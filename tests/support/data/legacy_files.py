"""Small files as Keras 2 wrote them, with random weights."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np

CONVOLUTION = {
    "strides": [1, 1],
    "padding": "same",
    "data_format": "channels_last",
    "dilation_rate": [1, 1],
    "activation": "linear",
    "use_bias": True,
}


def layer(kind: str, name: str, inputs: tuple[str, ...] = (), **config: Any) -> dict[str, Any]:
    return {
        "class_name": kind,
        "name": name,
        "config": {"name": name, **config},
        "inbound_nodes": [[[source, 0, 0, {}] for source in inputs]] if inputs else [],
    }


def write(
    path: Path,
    layers: list[dict[str, Any]],
    weights: dict[str, dict[str, tuple[int, ...]]],
    *,
    sequential: bool,
    version: str = "2.2.4",
) -> Path:
    random = np.random.default_rng(5)
    last = layers[-1]["config"]["name"]
    config = {"name": "m", "layers": layers}
    if not sequential:
        config |= {"input_layers": [["input", 0, 0]], "output_layers": [[last, 0, 0]]}
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = version
        file.attrs["model_config"] = json.dumps(
            {"class_name": "Sequential" if sequential else "Model", "config": config}
        ).encode()
        group = file.create_group("model_weights")
        for name, shapes in weights.items():
            inner = group.create_group(name)
            inner.attrs["weight_names"] = [f"{name}/{weight}:0".encode() for weight in shapes]
            for weight, shape in shapes.items():
                values = random.normal(0, 0.3, shape).astype(np.float32)
                inner[f"{name}/{weight}:0"] = np.abs(values) if "variance" in weight else values
    return path


def words(path: Path, *, classes: int = 80, version: str = "2.2.4") -> Path:
    """A Sequential text network for 19×57 grey pictures."""
    first = {**CONVOLUTION, "activation": "relu", "batch_input_shape": [None, 19, 57, 1]}
    layers = [
        layer("Conv2D", "conv", filters=6, kernel_size=[3, 3], **first),
        layer("MaxPooling2D", "pool", pool_size=[2, 2], strides=[2, 2], padding="valid"),
        layer("GlobalAveragePooling2D", "mean", data_format="channels_last"),
        layer("Dropout", "dropout", rate=0.25),
        layer("Dense", "dense", units=classes, activation="softmax", use_bias=True),
    ]
    weights = {
        "conv": {"kernel": (3, 3, 1, 6), "bias": (6,)},
        "dense": {"kernel": (6, classes), "bias": (classes,)},
    }
    return write(path, layers, weights, sequential=True, version=version)


def tiles(path: Path, *, channels: int = 3) -> Path:
    """A functional tile network with what MobileNets are made of."""
    normal = {"axis": -1, "epsilon": 0.001, "center": True, "scale": True}
    six = {"max_value": 6.0, "negative_slope": 0.0, "threshold": 0.0}
    halved = {**CONVOLUTION, "strides": [2, 2]}
    soft = {**CONVOLUTION, "activation": "softmax"}
    layers = [
        layer("InputLayer", "input", batch_input_shape=[None, None, None, channels]),
        layer("Conv2D", "conv", ("input",), filters=4, kernel_size=[3, 3], **halved),
        layer("BatchNormalization", "normal", ("conv",), **normal),
        layer("ReLU", "six", ("normal",), **six),
        layer(
            "DepthwiseConv2D", "deep", ("six",), kernel_size=[5, 5], depth_multiplier=1, **halved
        ),
        layer("Conv2D", "wide", ("deep",), filters=4, kernel_size=[1, 1], **CONVOLUTION),
        layer("Add", "add", ("deep", "wide")),
        layer("GlobalAveragePooling2D", "mean", ("add",), data_format="channels_last"),
        layer("Reshape", "up", ("mean",), target_shape=[1, 1, 4]),
        layer("Conv2D", "last", ("up",), filters=80, kernel_size=[1, 1], **soft),
        layer("Reshape", "flat", ("last",), target_shape=[80]),
    ]
    four = dict.fromkeys(("gamma", "beta", "moving_mean", "moving_variance"), (4,))
    weights = {
        "conv": {"kernel": (3, 3, channels, 4), "bias": (4,)},
        "normal": four,
        "deep": {"depthwise_kernel": (5, 5, 4, 1), "bias": (4,)},
        "wide": {"kernel": (1, 1, 4, 4), "bias": (4,)},
        "last": {"kernel": (1, 1, 4, 80), "bias": (80,)},
    }
    return write(path, layers, weights, sequential=False, version="2.3.1")


def residual(
    path: Path,
    *,
    channels: int = 3,
    excited: bool = False,
    filters: tuple[int, ...] = (4, 6),
    blocks: int = 2,
    seed: int = 5,
) -> Path:
    """A file of Cracking-12306: weights only, nested in blocks as Keras lists them."""
    random = np.random.default_rng(seed)
    layers: dict[str, list[tuple[str, tuple[int, ...]]]] = {
        "conv0": [("conv0/kernel", (5, 5, channels, filters[0]))]
    }
    numbers = dict.fromkeys(("conv2d", "batch_normalization", "dense"), 0)

    def numbered(kind: str) -> str:
        number = numbers[kind]
        numbers[kind] += 1
        return f"{kind}_{number}" if number else kind

    incoming = filters[0]
    for stage, width in enumerate(filters, 1):
        for index in range(blocks):
            name = f"conv{stage}_{index}"
            kernels = [(3, 3, incoming, width), (3, 3, width, width)]
            if stage > 1 and index == 0:
                kernels.insert(0, (1, 1, incoming, width))
            inside = [(f"{numbered('conv2d')}/kernel", shape) for shape in kernels]
            normals = [(numbered("batch_normalization"), side) for side in (incoming, width)]
            inside += [(f"{n}/{w}", (side,)) for n, side in normals for w in ("gamma", "beta")]
            if excited:
                for shape in ((width, 2), (2, width)):
                    dense = f"se_layer/{numbered('dense')}"
                    inside += [(f"{dense}/kernel", shape), (f"{dense}/bias", shape[1:])]
            moving = ("moving_mean", "moving_variance")
            inside += [(f"{n}/{w}", (side,)) for n, side in normals for w in moving]
            layers[name] = [(f"{name}/{weight}", shape) for weight, shape in inside]
            incoming = width
    four = ("gamma", "beta", "moving_mean", "moving_variance")
    layers["bn"] = [(f"bn/{weight}", (incoming,)) for weight in four]
    layers["activation_36"] = layers["global_average_pooling2d"] = []
    layers["fully_connected"] = [("fully_connected/kernel", (incoming, 80))]
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = "2.5.0"
        file.attrs["backend"] = "tensorflow"
        file.attrs["layer_names"] = [name.encode() for name in layers]
        for name, weights in layers.items():
            group = file.create_group(name)
            group.attrs["weight_names"] = [f"{weight}:0".encode() for weight, _ in weights]
            for weight, shape in weights:
                values = random.normal(0, 0.3, shape).astype(np.float32)
                group[f"{weight}:0"] = np.abs(values) + 0.5 if "variance" in weight else values
    return path
