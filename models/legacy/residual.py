"""The networks of Cracking-12306, whose files hold weights only: what is built of them follows
from the names and shapes of their layers.

They are residual networks with normalisation first (He et al., "Identity Mappings in Deep Residual
Networks", 2016): `conv0`; blocks `conv1_0`, `conv1_1`, … in stages, each stage after the first
halving the picture; `bn`, a ReLU, the mean over all places, `fully_connected`. Some have
squeeze-and-excitation (Hu et al., 2018) at the end of every block. What the shapes do not say is
the same in all of them: no biases, "same" padding, an epsilon of 1e-5, and a halving block whose
shortcut takes the mean of 2×2 places and then a 1×1 convolution.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from models.legacy.network import Array, Layer, LegacyFile
from models.legacy.weights import Weights, text
from tilefleet.errors import NotANetwork

#: Channels of a picture → height and width that such a network was trained for.
_SIDES: Final = {3: 56, 1: 57}
_MAX_BLOCKS: Final = 60
_MAX_KERNEL: Final = 9
_EPSILON: Final = 1e-5
_BLOCK: Final = re.compile(r"conv([1-9])_(\d{1,2})")
_NORMAL: Final = ("gamma", "beta", "moving_mean", "moving_variance")
#: Layers without weights, which Keras numbers as they are made.
_WITHOUT_WEIGHTS: Final = re.compile(r"(activation|global_average_pooling2d)(_\d+)?")


def is_one(file: Any) -> bool:
    """Whether an open HDF5 file holds weights only, with the names of this family's layers."""
    names = {text(name) for name in file.attrs.get("layer_names", ())}
    return "model_config" not in file.attrs and {"conv0", "fully_connected"} <= names


def read(path: Path, file: Any) -> LegacyFile:
    """The network of an open HDF5 file; raises NotANetwork, saying which layer is not as expected.

    The input's shape is (56, 56, 3) or, of a network that reads words, (57, 57, 1).
    """
    version = text(file.attrs.get("keras_version", b"unknown"))
    if not version.startswith("2."):
        raise NotANetwork(f"{path} was written by Keras {version}, not 2.x")
    blocks = _blocks(path, [text(name) for name in file.attrs["layer_names"]])
    graph = _Graph(path, Weights(path, file))
    kernel = graph.only("conv0", "kernel", 4)
    channels = kernel.shape[2]
    if channels not in _SIDES or max(kernel.shape[:2]) > _MAX_KERNEL:
        raise NotANetwork(
            f"{path}: conv0 has shape {kernel.shape}; known: 3 or 1 channels in, and at most "
            f"{_MAX_KERNEL}×{_MAX_KERNEL} places"
        )
    last = graph.convolve("conv0", "", kernel, 1)
    for block in blocks:
        last = graph.block(block, last)
    last = graph.normal("bn", last, graph.named("bn", _NORMAL))
    last = graph.add("Activation", "bn_relu", last, activation="relu")
    last = graph.add("GlobalAveragePooling2D", "mean", last)
    dense = {"kernel": graph.only("fully_connected", "kernel", 2)}
    last = graph.add("Dense", "fully_connected", last, weights=dense, activation="softmax")
    size = _SIDES[channels]
    return LegacyFile(
        path, version, (size, size, channels), tuple(graph.layers), last, "cracking-12306"
    )


def _blocks(path: Path, names: list[str]) -> list[str]:
    """The blocks in order; raises NotANetwork unless the layers are those of such a network."""
    blocks = [name for name in names if _BLOCK.fullmatch(name)]
    rest = [n for n in names if n not in blocks and not _WITHOUT_WEIGHTS.fullmatch(n)]
    if rest != ["conv0", "bn", "fully_connected"] or not 1 <= len(blocks) <= _MAX_BLOCKS:
        raise NotANetwork(
            f"{path} has {len(blocks)} blocks and the layers {', '.join(rest[:9])}; expected "
            f"1 to {_MAX_BLOCKS} blocks, conv0, bn and fully_connected"
        )
    allowed = ["conv1_0"]
    for name in blocks:
        if name not in allowed:
            raise NotANetwork(f"{path} has block {name} where {allowed[0]} is expected")
        stage, index = int(name[4]), int(name[6:])
        allowed = [f"conv{stage}_{index + 1}", f"conv{stage + 1}_0"]
    return blocks


class _Graph:
    """The layers so far; each method adds some and gives the name of the last one."""

    def __init__(self, path: Path, weights: Weights) -> None:
        self.layers: list[Layer] = []
        self._path = path
        self._weights = weights

    def add(
        self,
        kind: str,
        name: str,
        *inputs: str,
        weights: dict[str, Array] | None = None,
        **config: Any,
    ) -> str:
        sources = tuple(source for source in inputs if source)
        self.layers.append(Layer(name, kind, {"name": name, **config}, sources, weights or {}))
        return name

    def convolve(self, name: str, source: str, kernel: Array, stride: int) -> str:
        return self.add(
            *("Conv2D", name, source),
            weights={"kernel": kernel},
            strides=[stride, stride],
            padding="same",
            activation="linear",
        )

    def normal(self, name: str, source: str, weights: dict[str, Array]) -> str:
        return self.add("BatchNormalization", name, source, weights=weights, epsilon=_EPSILON)

    def block(self, name: str, source: str) -> str:
        """A residual block: the branch is normalised first, the shortcut is left alone unless it
        is halved."""
        kernels = self._parts(name, "conv2d", ("kernel",))
        normals = self._parts(name, "batch_normalization", _NORMAL)
        excitation = self._parts(name, "dense", ("kernel", "bias"))
        halved = name.endswith("_0") and name != "conv1_0"
        if (len(kernels), len(normals)) != (2 + halved, 2) or len(excitation) not in (0, 2):
            raise NotANetwork(
                f"{self._path}: block {name} has {len(kernels)} convolutions, {len(normals)} "
                f"normalisations and {len(excitation)} dense layers; expected {2 + halved}, 2, "
                "and none or 2"
            )
        # The shortcut's comes first in a file, being made first.
        *shortcut, first, second = (part["kernel"] for part in kernels)
        incoming = first.shape[-2]
        # What is added to a shortcut that is left alone has as many channels.
        filters = first.shape[-1] if halved else incoming
        expected = [(3, 3, incoming, filters), (3, 3, filters, filters)]
        if halved:
            expected.insert(0, (1, 1, incoming, filters))
        found = [part["kernel"].shape for part in kernels]
        if found != expected:
            raise NotANetwork(f"{self._path}: block {name} has kernels {found}, not {expected}")
        branch = self.normal(f"{name}_normal0", source, normals[0])
        branch = self.add("Activation", f"{name}_relu0", branch, activation="relu")
        if halved:
            source = self.add(
                *("AveragePooling2D", f"{name}_halved", branch),
                pool_size=[2, 2],
                strides=[2, 2],
                padding="same",
            )
            source = self.convolve(f"{name}_shortcut", source, shortcut[0], 1)
        branch = self.convolve(f"{name}_conv0", branch, first, 1 + halved)
        branch = self.normal(f"{name}_normal1", branch, normals[1])
        branch = self.add("Activation", f"{name}_relu1", branch, activation="relu")
        branch = self.convolve(f"{name}_conv1", branch, second, 1)
        if excitation:
            branch = self._excite(name, branch, int(filters), excitation)
        return self.add("Add", f"{name}_add", branch, source)

    def _excite(self, name: str, source: str, filters: int, parts: list[dict[str, Array]]) -> str:
        """Squeeze-and-excitation: each channel times a factor that follows from all their means."""
        squeeze, excite = parts
        shapes = squeeze["kernel"].shape, excite["kernel"].shape
        # Anything else might still be multiplied, stretched to fit.
        if shapes[0] != shapes[1][::-1] or shapes[0][:1] != (filters,):
            raise NotANetwork(
                f"{self._path}: block {name} of {filters} filters has dense layers {shapes}"
            )
        factor = self.add("GlobalAveragePooling2D", f"{name}_mean", source)
        factor = self.add("Dense", f"{name}_squeeze", factor, weights=squeeze, activation="relu")
        factor = self.add("Dense", f"{name}_excite", factor, weights=excite, activation="sigmoid")
        factor = self.add("Reshape", f"{name}_factor", factor, target_shape=[1, 1, filters])
        return self.add("Multiply", f"{name}_scaled", source, factor)

    def only(self, layer: str, weight: str, rank: int) -> Array:
        """The one array of a layer."""
        array = self.named(layer, (weight,))[weight]
        if array.ndim != rank:
            raise NotANetwork(f"{self._path}: {weight} of {layer} has shape {array.shape}")
        return array

    def named(self, layer: str, expected: Iterable[str]) -> dict[str, Array]:
        """A layer's arrays, which must be just these."""
        return self._arrays(layer, self._weights.names(layer), tuple(expected))

    def _parts(self, block: str, kind: str, expected: tuple[str, ...]) -> list[dict[str, Array]]:
        """The layers of one kind inside a block, as the file lists them."""
        parts: dict[str, list[str]] = {}
        for name in self._weights.names(block):
            *_, part, _weight = name.split("/")
            if re.fullmatch(rf"{kind}(_\d+)?", part):
                parts.setdefault(part, []).append(name)
        return [self._arrays(block, names, expected) for names in parts.values()]

    def _arrays(self, layer: str, names: list[str], expected: tuple[str, ...]) -> dict[str, Array]:
        listed = {name.rsplit("/", 1)[-1].split(":")[0]: name for name in names}
        if set(listed) != set(expected) or len(names) != len(expected):
            raise NotANetwork(
                f"{self._path}: {layer} has {', '.join(names) or 'no weights'}; "
                f"expected {', '.join(expected)}"
            )
        return {name: self._weights.array(layer, listed[name]) for name in expected}
