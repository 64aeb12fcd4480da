"""manifest.json: what a model of the store is, what it reads, and what it must hash to.

manifest.schema.json is its schema; `models.store.earlier` reads what was written before there was
one.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Self

from models.store import contents, earlier
from tilefleet.errors import BadManifest, HashMismatch
from tilefleet.kind import Kind
from tilefleet.layout import MOST_TILES

FILENAME: Final = "manifest.json"
VERSION: Final = 2

#: The networks of a model.
NETWORKS: Final = ("words", "tiles")

#: What a model's LiteRT files compute in → the networks that do so in int8; the smallest first.
PRECISIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "int8": ("words", "tiles"),
    "mixed": ("words",),
    "float32": (),
}

#: Ends the name of a LiteRT file that computes in int8 beside one of the same network that does in
#: float32.
INT8: Final = "int8.tflite"


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
    #: Which captchas it reads: its words and where things are.
    kind: Kind
    #: What the LiteRT files compute in, one of PRECISIONS; the Keras files are always float32.
    precision: str = "float32"
    #: How confidences are calibrated: `models.recognition.decision.sharpened`.
    sharpness: float = 1.0
    version: int = VERSION

    @property
    def in_int8(self) -> list[str]:
        """The networks that have a LiteRT file in int8 beside the other one."""
        return [network for network in NETWORKS if f"{network}.{INT8}" in self.files]

    @property
    def network_files(self) -> list[str]:
        """The files of its networks: those that every model has, then those in int8."""
        return [*file_names(), *(f"{network}.{INT8}" for network in self.in_int8)]

    @property
    def identity(self) -> str:
        """The model's name and the first 8 hexadecimal digits of its files' common hash."""
        listing = "".join(f"{name} {digest}\n" for name, digest in sorted(self.files.items()))
        return f"{self.name}@{hashlib.sha256(listing.encode()).hexdigest()[:8]}"

    def encode(self) -> str:
        """As manifest.json has it; `read` is the inverse."""
        encoded = {**asdict(self), "kind": self.kind.encode()}
        return json.dumps(encoded, ensure_ascii=False, indent=2) + "\n"

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read and check ``folder/manifest.json``; raises BadManifest."""
        # Programs that only send have the command line, and not this.
        import fastjsonschema

        path = folder / FILENAME
        encoded = contents.parse(contents.read_file(path, contents.MOST_MANIFEST), path)
        if not contents.plain(encoded):
            raise BadManifest(f"{path} is too deep, too long, or has text that cannot be printed")
        if encoded.get("version") == earlier.VERSION:
            encoded = earlier.upgraded(encoded, path)
        elif encoded.get("version") != VERSION:
            found = encoded.get("version")
            raise BadManifest(f"{path} is of version {found!r}; this is {VERSION}")
        try:
            _check()(encoded)
            kind = Kind.decode(encoded["kind"])
        except fastjsonschema.JsonSchemaValueException as error:
            raise BadManifest(f"{path}: {_shown(error)}") from None
        except (ValueError, OverflowError) as error:
            raise BadManifest(f"{path}: {error}") from None
        if not contents.is_name(encoded["name"]):
            raise BadManifest(f"{path}: name cannot be {encoded['name']!r}")
        if kind.layout.count > MOST_TILES:
            raise BadManifest(f"{path} has {kind.layout.count} tiles; at most {MOST_TILES} can be")
        # A folder that was copied or renamed is a model of that name; no other says that it is it.
        named = {"name": folder.name, "sharpness": float(encoded["sharpness"]), "kind": kind}
        return cls(**{**encoded, **named})

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


def inputs(kind: Kind) -> dict[str, tuple[int, int, int]]:
    """The picture that each network takes: uint8, RGB."""
    return {"words": (*kind.layout.header_shape, 3), "tiles": (*kind.layout.tile_shape, 3)}


def outputs(kind: Kind) -> dict[str, tuple[int, ...]]:
    """What each network gives: float32 probabilities, the last axis summing to 1."""
    return {
        "words": (kind.layout.words, len(kind.labels) + 1),
        "tiles": (len(kind.labels),),
    }


def litert_batch(kind: Kind) -> dict[str, int]:
    """How many pictures a LiteRT file takes in a call: those of one captcha."""
    return {"words": 1, "tiles": kind.layout.count}


@cache
def _check() -> Any:
    import fastjsonschema

    schema = (Path(__file__).parent / "manifest.schema.json").read_text(encoding="utf-8")
    return fastjsonschema.compile(json.loads(schema), use_default=False)


def _shown(error: Any) -> str:
    """``files.tiles.keras must match pattern …``, with the value that does not."""
    message = error.message.removeprefix("data.").removeprefix("data ")
    return f"{message}; it is {str(error.value)[:60]!r}"


def file_names() -> list[str]:
    """The files that every model has beside its manifest."""
    return [f"{network}.{kind}" for network in NETWORKS for kind in ("tflite", "keras")]


def sha256(data: bytes) -> str:
    """Hexadecimal."""
    return hashlib.sha256(data).hexdigest()
