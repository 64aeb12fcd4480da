"""A legacy network computed by NumPy alone, to check what a converted one answers.

Written from Keras 2's documentation of each layer and sharing nothing with the conversion, so
that a mistake there cannot be made here as well. Float64, one picture at a time is enough.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from models.legacy.network import Layer, LegacyFile
from tilefleet.errors import NotANetwork

Array = NDArray[np.float64]


def forward(network: LegacyFile, pictures: Array) -> Array:
    """float64 (batch, height, width, channels) to float64 (batch, classes)."""
    outputs: dict[str, Array] = {}
    for layer in network.layers:
        inputs = [outputs[name] for name in layer.inputs] or [np.asarray(pictures, np.float64)]
        outputs[layer.name] = _layer(layer, inputs)
    return outputs[network.output]


def _layer(layer: Layer, inputs: list[Array]) -> Array:
    x, config = inputs[0], layer.config
    weights = {name: array.astype(np.float64) for name, array in layer.weights.items()}
    match layer.kind:
        case "InputLayer" | "Dropout":
            y = x
        case "Conv2D":
            windows = _windows(x, weights["kernel"].shape[:2], config, 0.0)
            y = np.einsum("bhwcij,ijcf->bhwf", windows, weights["kernel"], optimize=True)
        case "DepthwiseConv2D":
            windows = _windows(x, weights["depthwise_kernel"].shape[:2], config, 0.0)
            y = np.einsum("bhwcij,ijcm->bhwcm", windows, weights["depthwise_kernel"], optimize=True)
            y = y.reshape(*y.shape[:3], -1)
        case "Dense":
            y = x @ weights["kernel"]
        case "BatchNormalization":
            y = (x - weights["moving_mean"]) / np.sqrt(
                weights["moving_variance"] + config["epsilon"]
            )
            y = y * weights.get("gamma", 1.0) + weights.get("beta", 0.0)
        case "MaxPooling2D":
            y = _windows(x, config["pool_size"], config, -np.inf).max(axis=(-2, -1))
        case "AveragePooling2D":
            y = np.nanmean(_windows(x, config["pool_size"], config, np.nan), axis=(-2, -1))
        case "GlobalAveragePooling2D":
            y = x.mean(axis=(1, 2))
        case "Flatten":
            y = x.reshape(len(x), -1)
        case "Reshape":
            y = x.reshape(len(x), *config["target_shape"])
        case "Add":
            y = sum(inputs[1:], start=x)
        case "Multiply":
            y = np.asarray(x * inputs[1])
        case "ReLU":
            y = np.maximum(x, 0.0)
            if config.get("max_value") is not None:
                y = np.minimum(y, config["max_value"])
        case "Activation":
            y = x
        case kind:
            raise NotANetwork(f"layer {layer.name!r} is of class {kind!r}")
    if layer.kind in ("Conv2D", "DepthwiseConv2D", "Dense"):
        y = y + weights.get("bias", 0.0)
    return _activate(y, config.get("activation", "linear"))


def _activate(x: Array, name: str) -> Array:
    match name:
        case "linear":
            return x
        case "relu":
            return np.maximum(x, 0.0)
        case "sigmoid":
            return np.asarray(1.0 / (1.0 + np.exp(-x)))
        case "softmax":
            powers = np.exp(x - x.max(axis=-1, keepdims=True))
            return np.asarray(powers / powers.sum(axis=-1, keepdims=True))
    raise NotANetwork(f"activation {name!r}; known: linear, relu, sigmoid, softmax")


def _windows(x: Array, size: Sequence[int], config: Mapping[str, Any], fill: float) -> Array:
    """(batch, height, width, channels) to the windows (batch, rows, columns, channels, i, j).

    TensorFlow's "same": as many windows as strides fit, and an odd padding goes to the far side.
    """
    strides = config["strides"]
    if config["padding"] == "same":
        padding = [(0, 0)]
        for length, side, stride in zip(x.shape[1:3], size, strides, strict=True):
            missing = max((-(-length // stride) - 1) * stride + side - length, 0)
            padding.append((missing // 2, missing - missing // 2))
        x = np.pad(x, [*padding, (0, 0)], constant_values=fill)
    windows = sliding_window_view(x, tuple(size), axis=(1, 2))
    return np.asarray(windows[:, :: strides[0], :: strides[1]])
