"""manifest.json: what a model of the store is, what it was made from, and what it must hash to."""

import hashlib
import json
import re
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Self

from models.store import contents
from tilefleet import geometry
from tilefleet.errors import BadManifest, HashMismatch
from tilefleet.labels import LABELS, LABELS_SHA256

FILENAME: Final = "manifest.json"
VERSION: Final = 1

#: The networks of a model, and the picture each one takes: uint8, RGB.
NETWORKS: Final[Mapping[str, tuple[int, int, int]]] = {
    "words": (geometry.HEADER_HEIGHT, geometry.HEADER_WIDTH, 3),
    "tiles": (geometry.TILE, geometry.TILE, 3),
}
#: What each one gives: float32 probabilities, the last axis summing to 1.
OUTPUTS: Final[Mapping[str, tuple[int, ...]]] = {
    "words": (2, len(LABELS) + 1),
    "tiles": (len(LABELS),),
}
#: How many pictures a LiteRT file takes in a call: those of one captcha.
LITERT_BATCH: Final[Mapping[str, int]] = {"words": 1, "tiles": 8}

#: What a model's LiteRT files compute in → the networks that do so in int8; the smallest first.
PRECISIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "int8": ("words", "tiles"),
    "mixed": ("words",),
    "float32": (),
}

#: Ends the name of a LiteRT file that computes in int8 beside one of the same network that does in
#: float32.
INT8: Final = "int8.tflite"

_SHA256 = re.compile(r"[0-9a-f]{64}")
_MOST_NAME: Final = 200

PREPROCESSING: Final = (
    "none outside the graph: RGB pixels, uint8; the words network takes the captcha's "
    f"[{geometry.HEADER_Y}:{geometry.HEADER_Y + geometry.HEADER_HEIGHT}, "
    f"{geometry.HEADER_X}:{geometry.HEADER_X + geometry.HEADER_WIDTH}] (y, x)"
)


@dataclass(frozen=True, slots=True)
class Manifest:
    """One model: two networks, each as a LiteRT and a Keras file."""

    name: str
    #: File name → sha256, hexadecimal.
    files: Mapping[str, str]
    #: Network → trainable and fixed parameters together.
    parameters: Mapping[str, int]
    #: How and on what it was trained, or what it was imported from.
    training: Mapping[str, Any]
    #: What it was measured at, and on what.
    evaluation: Mapping[str, Any]
    #: What the LiteRT files compute in, one of PRECISIONS; the Keras files are always float32.
    precision: str = "float32"
    #: How confidences are calibrated: `models.recognition.decision.sharpened`.
    sharpness: float = 1.0
    labels_sha256: str = LABELS_SHA256
    version: int = VERSION
    preprocessing: str = PREPROCESSING
    inputs: Mapping[str, tuple[int, ...]] = field(default_factory=lambda: dict(NETWORKS))
    outputs: Mapping[str, tuple[int, ...]] = field(default_factory=lambda: dict(OUTPUTS))

    @property
    def in_int8(self) -> list[str]:
        """The networks that have a LiteRT file in int8 beside the other one."""
        return [network for network in NETWORKS if f"{network}.{INT8}" in self.files]

    @property
    def networks_files(self) -> list[str]:
        """The files of its networks: those that every model has, then those in int8."""
        return [*file_names(), *(f"{network}.{INT8}" for network in self.in_int8)]

    @property
    def identity(self) -> str:
        """The model's name and the first 8 hexadecimal digits of its files' common hash."""
        listing = "".join(f"{name} {digest}\n" for name, digest in sorted(self.files.items()))
        return f"{self.name}@{hashlib.sha256(listing.encode()).hexdigest()[:8]}"

    def encode(self) -> str:
        """As manifest.json has it; `read` is the inverse."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=2) + "\n"

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read and check ``folder/manifest.json``; raises BadManifest."""
        path = folder / FILENAME
        encoded = contents.parse(contents.read_file(path, contents.MOST_MANIFEST), path)
        try:
            manifest = cls(**encoded)
        except TypeError as error:
            raise BadManifest(f"{path}: {error}") from None
        _check_types(manifest, path)
        # A folder that was copied or renamed is a model of that name; no other says that it is it.
        manifest = replace(manifest, name=folder.name, sharpness=float(manifest.sharpness))
        if manifest.version != VERSION:
            raise BadManifest(f"{path} is of version {manifest.version}; this is {VERSION}")
        if manifest.labels_sha256 != LABELS_SHA256:
            raise BadManifest(
                f"{path} is for labels {manifest.labels_sha256[:8]}; "
                f"these are {LABELS_SHA256[:8]}: its classes mean other things"
            )
        for which, wanted in (("inputs", NETWORKS), ("outputs", OUTPUTS)):
            shapes = {name: tuple(shape) for name, shape in getattr(manifest, which).items()}
            if shapes != dict(wanted):
                raise BadManifest(f"{path}: {which} {shapes}; expected {dict(wanted)}")
        if manifest.precision not in PRECISIONS:
            raise BadManifest(
                f"{path}: precision {manifest.precision!r}; expected one of {', '.join(PRECISIONS)}"
            )
        missing = set(file_names()) - set(manifest.files)
        if missing:
            raise BadManifest(f"{path} lists no {', '.join(sorted(missing))}")
        return manifest

    def read_file(self, folder: Path, file: str) -> bytes:
        """The contents of one of the model's files; raises HashMismatch or BadManifest."""
        read = contents.read_file(folder / file, contents.MOST_NETWORK)
        found, wanted = sha256(read), self.files[file]
        if found != wanted:
            raise HashMismatch(
                f"{folder / file} has sha256 {found[:16]}…, "
                f"its manifest says {wanted[:16]}…: the file was changed or damaged"
            )
        return read


def _check_types(manifest: Manifest, path: Path) -> None:
    """Raise BadManifest for a value that it could not be used or shown with."""
    fits: Mapping[str, Callable[[Any], bool]] = {
        "name": lambda value: contents.is_name(value) and len(value) <= _MOST_NAME,
        "files": lambda value: contents.is_mapping(value, _is_sha256),
        "parameters": lambda value: (
            contents.is_mapping(value, contents.is_count) and set(value) <= set(NETWORKS)
        ),
        "training": lambda value: isinstance(value, Mapping) and contents.plain(value),
        "evaluation": lambda value: isinstance(value, Mapping) and contents.plain(value),
        "precision": lambda value: isinstance(value, str),
        "sharpness": _is_sharpness,
        "labels_sha256": _is_sha256,
        "version": contents.is_count,
        "preprocessing": contents.is_text,
        "inputs": lambda value: contents.is_mapping(value, contents.is_shape),
        "outputs": lambda value: contents.is_mapping(value, contents.is_shape),
    }
    for name, is_fit in fits.items():
        if not is_fit(value := getattr(manifest, name)):
            raise BadManifest(f"{path}: {name} cannot be {reprlib.repr(value)}")


def _is_sha256(value: Any) -> bool:
    return isinstance(value, str) and bool(_SHA256.fullmatch(value))


def _is_sharpness(value: Any) -> bool:
    """Beyond these a confidence is 0 or 1 whatever the networks say, or no number at all."""
    return not isinstance(value, bool) and isinstance(value, int | float) and 0.01 <= value <= 100


def file_names() -> list[str]:
    """The files that every model has beside its manifest."""
    return [f"{network}.{kind}" for network in NETWORKS for kind in ("tflite", "keras")]


def sha256(data: bytes) -> str:
    """Hexadecimal."""
    return hashlib.sha256(data).hexdigest()
