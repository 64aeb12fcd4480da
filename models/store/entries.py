"""The models of the store: found, read, made. `models.store.folders` says where they are."""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import replace as replace_fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.store.allowance import bounded_weights
from models.store.contents import check_file, check_keras
from models.store.folders import (
    check_free,
    check_name,
    folder_of,
    folders,
    put_in_place,
    stores,
)
from models.store.manifest import (
    FILENAME,
    INT8,
    NETWORKS,
    Manifest,
    file_names,
    litert_batch,
    sha256,
)
from tilefleet.errors import BadManifest, ModelError, TilefleetError, reason
from tilefleet.files import atomic_write
from tilefleet.kind import BUILTIN as BUILTIN_KIND
from tilefleet.kind import Kind

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, slots=True)
class Entry:
    """A model in the store."""

    folder: Path
    manifest: Manifest

    @property
    def identity(self) -> str:
        """``name@hash``, as answers name it."""
        return self.manifest.identity

    def read(self, file: str) -> bytes:
        """One of its files, its hash checked; raises HashMismatch."""
        return self.manifest.read_file(self.folder, file)


def find(name: str, *, root: Path | None = None) -> Entry:
    """The model called `name`; raises ModelNotFound or BadManifest."""
    return _entry(folder_of(name, root))


def entries(*, root: Path | None = None) -> list[Entry | tuple[Path, TilefleetError]]:
    """All models, in order of name; one that cannot be read comes as (folder, error)."""
    found: dict[str, Entry | tuple[Path, TilefleetError]] = {}
    for folder in folders(root):
        if folder.name not in found:
            try:
                found[folder.name] = _entry(folder)
                for file in file_names():
                    check_file(folder / file)
            except TilefleetError as error:
                found[folder.name] = (folder, error)
    return [found[name] for name in sorted(found)]


def _entry(folder: Path) -> Entry:
    if folder.is_symlink():
        raise BadManifest(f"{folder} is a link; a model is a folder of its own")
    if not folder.name.isprintable():
        raise BadManifest(f"{str(folder)!r} has a name that cannot be printed")
    return Entry(folder, Manifest.read(folder))


def save(
    name: str,
    networks: Mapping[str, "keras.Model"],
    training: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    *,
    kind: Kind = BUILTIN_KIND,
    root: Path | None = None,
    replace: bool = False,
) -> Entry:
    """Convert and store a model's networks, ``{"words": …, "tiles": …}``, all or nothing.

    `kind`: of the captchas that they read.
    Raises ModelError if `name` is taken and not to be replaced, and whatever conversion raises.
    """
    # TensorFlow is needed only to convert.
    from models.runtimes.convert import to_litert

    if not replace:
        check_free(name, root=root)
    if set(networks) != set(NETWORKS):
        raise ModelError(f"a model has {sorted(NETWORKS)}; given: {sorted(networks)}")
    files = {}
    for network, model in networks.items():
        files[f"{network}.keras"] = _keras_file(model)
        files[f"{network}.tflite"] = to_litert(model, litert_batch(kind)[network])
    parameters = {network: model.count_params() for network, model in networks.items()}
    manifest = Manifest(name, _hashes(files), parameters, training, evaluation, kind)
    return _write(manifest, files, stores(root)[0])


def put_litert(
    entry: Entry,
    litert: Mapping[str, bytes],
    precision: str,
    *,
    name: str,
    root: Path,
    beside: Mapping[str, bytes] | None = None,
) -> Entry:
    """Store a model again, as `name`, with other LiteRT files of `precision`; its figures go.

    `beside`: network → a file in int8 that is kept beside its other one.
    """
    files = {f"{network}.keras": entry.read(f"{network}.keras") for network in NETWORKS}
    files |= {f"{network}.tflite": litert[network] for network in NETWORKS}
    files |= {f"{network}.{INT8}": contents for network, contents in (beside or {}).items()}
    manifest = replace_fields(
        entry.manifest, name=name, files=_hashes(files), evaluation={}, precision=precision
    )
    return _write(manifest, files, root)


def annotate(
    entry: Entry, evaluation: Mapping[str, Any], *, sharpness: float | None = None
) -> Entry:
    """Write evaluation figures, and how confidences are calibrated, into a model's manifest; its
    files and identity stay."""
    manifest = replace_fields(
        entry.manifest,
        evaluation={**entry.manifest.evaluation, **evaluation},
        sharpness=sharpness or entry.manifest.sharpness,
    )
    with atomic_write(entry.folder / FILENAME, text=True) as file:
        file.write(manifest.encode())
    return Entry(entry.folder, manifest)


def load_network(entry: Entry, network: str) -> "keras.Model":
    """One of a model's networks as Keras loads it, after its hash was checked."""
    import keras

    with tempfile.TemporaryDirectory() as folder:
        # Keras reads a file, and what is read must be what was checked.
        path = Path(folder) / f"{network}.keras"
        file = entry.folder / path.name
        contents = entry.read(path.name)
        check_keras(contents, file)
        path.write_bytes(contents)
        _register_layers()
        try:
            with bounded_weights(file):
                return keras.saving.load_model(path, compile=False, safe_mode=True)
        except BadManifest:
            raise
        except Exception as error:
            # Whatever Keras makes of it: it is this file that cannot be loaded.
            raise BadManifest(f"{file} cannot be loaded: {reason(error)}") from None


def _without_optimizer(model: "keras.Model") -> "keras.Model":
    """The same network without what only training needs, which is twice its size."""
    bare = type(model).from_config(model.get_config())
    bare.set_weights(model.get_weights())
    return bare


def _keras_file(model: "keras.Model") -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.keras"
        _without_optimizer(model).save(path)
        return path.read_bytes()


def _hashes(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: sha256(files[name]) for name in sorted(files)}


def _write(manifest: Manifest, files: Mapping[str, bytes], store: Path) -> Entry:
    """All or nothing."""
    check_name(manifest.name)
    store.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{manifest.name}-", dir=store))
    try:
        for name, contents in files.items():
            (draft / name).write_bytes(contents)
        (draft / FILENAME).write_text(manifest.encode(), encoding="utf-8")
        draft.chmod(0o755)
        put_in_place(draft, store / manifest.name)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return Entry(store / manifest.name, manifest)


def _register_layers() -> None:
    """Import the modules that register layers of our own, which loading looks up by name."""
    import models.networks  # noqa: F401
