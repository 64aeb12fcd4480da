"""The layers of a legacy file as Keras 3 layers, with its weights.

They are built from the file's settings one by one: Keras 3 cannot load what Keras 2 wrote for a
Sequential network (its input shape sits on the first layer, where Keras 3 does not look).
"""

from typing import Any

import keras

from models.legacy.network import Layer, LegacyFile
from tilefleet.errors import NotANetwork


def apply(network: LegacyFile, pictures: Any, *, prefix: str = "") -> Any:
    """Put the network on float32 (batch, height, width, channels); gives (batch, classes).

    `prefix` goes before the names of its layers, of which a graph may have each only once.
    Raises NotANetwork if its settings and weights do not fit each other.
    """
    try:
        return _apply(network, pictures, prefix)
    except (IndexError, KeyError, TypeError, ValueError) as error:
        reason = str(error).strip().splitlines() or [repr(error)]
        raise NotANetwork(f"{network.path} cannot be built: {reason[0]}") from None


def _apply(network: LegacyFile, pictures: Any, prefix: str) -> Any:
    outputs: dict[str, Any] = {}
    for layer in network.layers:
        inputs = [outputs[name] for name in layer.inputs] or [pictures]
        built = _build(layer, prefix + layer.name)
        if built is None:
            outputs[layer.name] = inputs[0]
            continue
        _check_channels(layer, int(inputs[0].shape[-1]))
        outputs[layer.name] = built(inputs if len(inputs) > 1 else inputs[0])
        built.set_weights(list(layer.weights.values()))
    return outputs[network.output]


def _check_channels(layer: Layer, channels: int) -> None:
    """Compare before Keras allocates; the sizes below are those of the weights, too."""
    for name, axis in (("kernel", -2), ("depthwise_kernel", -2), ("moving_mean", -1)):
        if name in layer.weights and layer.weights[name].shape[axis] != channels:
            raise NotANetwork(
                f"{name} of layer {layer.name!r} has shape {layer.weights[name].shape}, "
                f"but {channels} channels come in"
            )


def _build(layer: Layer, name: str) -> keras.layers.Layer | None:
    """The Keras 3 layer, or None where there is nothing to do."""
    config = layer.config
    convolution = {"use_bias": "bias" in layer.weights, "name": name}
    match layer.kind:
        case "InputLayer" | "Dropout":
            return None
        case "Conv2D":
            return keras.layers.Conv2D(
                layer.weights["kernel"].shape[-1],
                layer.weights["kernel"].shape[:2],
                strides=config["strides"],
                padding=config["padding"],
                activation=config["activation"],
                **convolution,
            )
        case "DepthwiseConv2D":
            return keras.layers.DepthwiseConv2D(
                layer.weights["depthwise_kernel"].shape[:2],
                strides=config["strides"],
                padding=config["padding"],
                activation=config["activation"],
                **convolution,
            )
        case "Dense":
            return keras.layers.Dense(
                layer.weights["kernel"].shape[-1], activation=config["activation"], **convolution
            )
        case "BatchNormalization":
            return keras.layers.BatchNormalization(
                epsilon=config["epsilon"],
                scale="gamma" in layer.weights,
                center="beta" in layer.weights,
                name=name,
            )
        case "MaxPooling2D" | "AveragePooling2D":
            pooling = getattr(keras.layers, layer.kind)
            return pooling(config["pool_size"], config["strides"], config["padding"], name=name)
        case "GlobalAveragePooling2D":
            return keras.layers.GlobalAveragePooling2D(name=name)
        case "Flatten":
            return keras.layers.Flatten(name=name)
        case "Reshape":
            return keras.layers.Reshape(config["target_shape"], name=name)
        case "Add":
            return keras.layers.Add(name=name)
        case "Multiply":
            return keras.layers.Multiply(name=name)
        case "ReLU":
            return keras.layers.ReLU(config.get("max_value"), name=name)
        case "Activation":
            return keras.layers.Activation(config["activation"], name=name)
    raise NotANetwork(f"layer {name!r} is of class {layer.kind!r}")
