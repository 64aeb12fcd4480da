"""What a file of the store may be: a folder comes from anywhere, and costs only itself.

Files are read up to a bound, links and what is no file are refused; a manifest's values have the
types that it is shown and used with; a .keras file is looked at before Keras unpacks it.
"""

import io
import json
import os
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tilefleet.errors import BadManifest, reason

#: Bytes of a manifest, and of a network's file, packed and unpacked.
MOST_MANIFEST: Final = 1 << 20
MOST_NETWORK: Final = 256 << 20
#: Bytes of a .keras file's description, and the largest number in it: layers are narrower.
_MOST_CONFIG, _MOST_WIDTH = 4 << 20, 1 << 14
#: Levels and values of what a manifest says of training and evaluation.
_MOST_DEEP, _MOST_VALUES, _MOST_NUMBER = 10, 20_000, 1e15

#: Where a .keras file's layers come from: Keras imports what it is told.
_MODULES = ("keras", "models")
_KERAS_FILES = frozenset({"metadata.json", "config.json", "model.weights.h5"})


def read_file(path: Path, most: int) -> bytes:
    """Up to `most` bytes of a file that is no link; raises BadManifest."""
    try:
        # A pipe without a writer would be waited for.
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        why = "it is a link" if path.is_symlink() else str(error)
        raise BadManifest(f"{path}: {why}") from None
    try:
        found = os.fstat(opened)
        if not stat.S_ISREG(found.st_mode):
            raise BadManifest(f"{path} is no file")
        if found.st_size > most:
            raise BadManifest(f"{path} has {found.st_size:,} bytes; at most {most:,} are read")
        with os.fdopen(opened, "rb", closefd=False) as file:
            return file.read(most)
    except OSError as error:
        raise BadManifest(f"{path}: {error}") from None
    finally:
        os.close(opened)


def parse(text: bytes, path: Path) -> dict[str, Any]:
    """A JSON object without anything that JSON has not; raises BadManifest."""
    try:
        value = json.loads(text, parse_constant=_no_number)
    except RecursionError:
        raise BadManifest(f"{path} is nested too deeply") from None
    except ValueError as error:
        raise BadManifest(f"{path}: {error}") from None
    if not isinstance(value, dict):
        raise BadManifest(f"{path} is a JSON {type(value).__name__}, no object")
    return value


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")


def plain(value: Any) -> bool:
    """Whether it can be shown: not deep, not long, text without control characters."""
    waiting, seen = [(value, 0)], 0
    while waiting:
        each, depth = waiting.pop()
        seen += 1
        if depth > _MOST_DEEP or seen > _MOST_VALUES:
            return False
        if isinstance(each, Mapping):
            waiting += [(part, depth + 1) for pair in each.items() for part in pair]
        elif isinstance(each, list):
            waiting += [(part, depth + 1) for part in each]
        elif isinstance(each, str):
            if not each.isprintable():
                return False
        elif isinstance(each, bool) or each is None:
            continue
        elif not isinstance(each, int | float) or not abs(each) <= _MOST_NUMBER:
            return False
    return True


def is_text(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable()


def is_name(value: Any) -> bool:
    """Guards against path traversal, as names come from the network: whether it names a folder
    inside the store."""
    return is_text(value) and value[:1] not in ("", ".") and not {"/", "\\"} & set(value)


def check_file(path: Path) -> None:
    """Raise BadManifest unless it is a file, and no link."""
    try:
        found = path.lstat()
    except OSError as error:
        raise BadManifest(f"{path}: {error.strerror}") from None
    if not stat.S_ISREG(found.st_mode):
        raise BadManifest(f"{path} is {'a link' if path.is_symlink() else 'no file'}")


def unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """A file of an archive, no longer than the archive says that it is.

    `ZipFile.read` unpacks all that there is before it looks at that.
    """
    with archive.open(info) as file:
        return file.read(info.file_size + 1)


def check_keras(contents: bytes, path: Path) -> None:
    """Raise BadManifest for what is no .keras file, or costs more than its size to load."""
    try:
        with zipfile.ZipFile(io.BytesIO(contents)) as archive:
            sizes = {info.filename: info.file_size for info in archive.infolist()}
            if sizes.keys() != _KERAS_FILES or len(archive.infolist()) != len(sizes):
                raise BadManifest(f"{path} has other files than {', '.join(sorted(_KERAS_FILES))}")
            if sizes["config.json"] > _MOST_CONFIG or sum(sizes.values()) > MOST_NETWORK:
                raise BadManifest(f"{path} has {sum(sizes.values()):,} bytes unpacked")
            config = parse(unpack(archive, archive.getinfo("config.json")), path)
            weights = unpack(archive, archive.getinfo("model.weights.h5"))
    except BadManifest:
        raise
    except Exception as error:
        # zipfile's, zlib's and others', which have no common class.
        raise BadManifest(f"{path}: {reason(error)}") from None
    _check_config(config, path)
    _check_weights(weights, path)


def _check_config(config: dict[str, Any], path: Path) -> None:
    waiting: list[Any] = [config]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            module = each.get("module")
            if module is not None and str(module).partition(".")[0] not in _MODULES:
                raise BadManifest(
                    f"{path} has something of the module {module!r}; "
                    f"expected {' or '.join(_MODULES)}"
                )
            if each.get("class_name") in ("Lambda", "function", "__lambda__"):
                raise BadManifest(f"{path} has a {each['class_name']}")
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each
        elif isinstance(each, int) and abs(each) > _MOST_WIDTH:
            raise BadManifest(f"{path} has a {each} in it; layers are narrower than {_MOST_WIDTH}")


def _check_weights(contents: bytes, path: Path) -> None:
    """Arrays that are in the file itself, and no larger than `MOST_NETWORK` together."""
    import h5py

    left = MOST_NETWORK
    seen = 0

    def look(group: Any) -> None:
        nonlocal left, seen
        waiting = [group]
        while waiting:
            parent = waiting.pop()
            for name in parent:
                seen += 1
                if seen > _MOST_VALUES:
                    raise BadManifest(f"{path} has more than {_MOST_VALUES} arrays")
                if not isinstance(parent.get(name, getlink=True), h5py.HardLink):
                    raise BadManifest(f"{path}: {name!r} is a link to elsewhere")
                child = parent[name]
                if isinstance(child, h5py.Group):
                    waiting.append(child)
                    continue
                if child.is_virtual or child.external:
                    raise BadManifest(f"{path}: {name!r} is kept in another file")
                left -= child.size * child.dtype.itemsize
                if left < 0:
                    raise BadManifest(f"{path} has more than {MOST_NETWORK:,} bytes of arrays")

    try:
        with h5py.File(io.BytesIO(contents), "r") as file:
            look(file)
    except BadManifest:
        raise
    except Exception as error:
        raise BadManifest(f"{path}: its weights: {reason(error)}") from None
