"""A legacy tiles network behind our contract: uint8 RGB (batch, 67, 67, 3) to (batch, 80)."""

from dataclasses import replace

import keras
import numpy as np

from models.legacy import layers
from models.legacy.file import LegacyFile
from tilefleet.geometry import TILE

#: What is taken off each channel, in the order red, green, blue: ImageNet's means.
MEANS = (123.68, 116.779, 103.939)


def build(network: LegacyFile) -> keras.Model:
    """It was made for BGR: the channels of the first kernel are turned round, not the picture's."""
    pixels = keras.Input((TILE, TILE, 3), dtype="uint8", name="tiles")
    centred = keras.layers.Rescaling(1.0, offset=[-mean for mean in MEANS], name="centre")(pixels)
    return keras.Model(pixels, layers.apply(_for_rgb(network), centred), name="legacy_tiles")


def _for_rgb(network: LegacyFile) -> LegacyFile:
    layers = list(network.layers)
    first = next(index for index, layer in enumerate(layers) if "kernel" in layer.weights)
    kernel = np.ascontiguousarray(layers[first].weights["kernel"][:, :, ::-1])
    layers[first] = replace(layers[first], weights={**layers[first].weights, "kernel": kernel})
    return replace(network, layers=tuple(layers))
