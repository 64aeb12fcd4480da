"""One file that carries a model to another machine: ``tilefleet models export / import``.

A plain zip file without folders: the manifest, the networks, and `SHA256SUMS`, which has the hash
of each of them (``sha256sum --check SHA256SUMS`` reads it, too). The same model always gives the
same bytes.

What is opened may come from anywhere. Its listing is bounded before `zipfile` reads it, its files
are those of a model by their names, each of a bounded size, and nothing is unpacked by a path of
the archive's, one after the other; a model is in the store once all hashes are right, or not at
all.
"""

import io
import shutil
import stat
import struct
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from models.store.contents import MOST_MANIFEST, MOST_NETWORK, is_text, parse, unpack
from models.store.entries import Entry
from models.store.folders import check_free, check_name, put_in_place, stores
from models.store.manifest import FILENAME, INT8, NETWORKS, Manifest, file_names, sha256
from tilefleet.errors import BadArchive, HashMismatch, ModelError, reason
from tilefleet.files import atomic_write, open_file

_SUMS: Final = "SHA256SUMS"
#: Bytes of a list of hashes, and of the archive's own listing.
_MOST_SUMS, _MOST_LISTING = 4096, 8192
#: How many times smaller a file may be packed: noise, as weights are, hardly is; zeros a thousand.
_MOST_RATIO: Final = 100
#: The record at the end of a zip file (APPNOTE.TXT, 4.3.16), and what is before it in a file that
#: needs more than 32 bits (4.3.15).
_END: Final = struct.Struct("<4s4H2LH")
_END_MARK, _LONG_MARK = b"PK\x05\x06", b"PK\x06\x07"
_LONG_SIZE: Final = 20
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
#: The first day that a zip file can name: of a file's age nothing is told.
_DATE: Final = (1980, 1, 1, 0, 0, 0)


def write(entry: Entry, path: Path, *, replace: bool = False) -> None:
    """Write a model to `path`, all or nothing, once its hashes were checked.

    Raises ModelError if `path` is there and not to be replaced, HashMismatch, BadManifest, OSError.
    """
    if path.is_dir() or (path.exists() and not replace):
        raise ModelError(f"{path} exists; give another name, or say that it is replaced")
    files = {FILENAME: entry.manifest.encode().encode()}
    files |= {file: entry.read(file) for file in entry.manifest.network_files}
    sums = "".join(f"{sha256(files[file])}  {file}\n" for file in sorted(files))
    with atomic_write(path) as whole, zipfile.ZipFile(whole, "w") as archive:
        for file, contents in {**files, _SUMS: sums.encode()}.items():
            info = zipfile.ZipInfo(file, _DATE)
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(info, contents, zipfile.ZIP_DEFLATED)


def read(
    path: Path, *, name: str | None = None, root: Path | None = None, replace: bool = False
) -> Entry:
    """Store the model of an archive as `name`, or as it was called.

    Raises BadArchive for what is no archive of a model, HashMismatch, BadManifest, ModelError if
    the name is taken and not to be replaced, and OSError; nothing is stored then.
    """
    files = _contents(path)
    manifest_file, read = next(files)
    name = _called(read, path) if name is None else name
    check_name(name)
    if not replace:
        check_free(name, root=root)
    store = stores(root)[0]
    store.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=store))
    try:
        folder = draft / name
        folder.mkdir(mode=0o755)
        stored = {manifest_file}
        (folder / manifest_file).write_bytes(read)
        for file, contents in files:
            stored.add(file)
            (folder / file).write_bytes(contents)
        manifest = Manifest.read(folder)
        if {*manifest.network_files, FILENAME} != stored:
            raise BadArchive(f"{path} has other files than its manifest says")
        for file in manifest.network_files:
            manifest.read_file(folder, file)
        put_in_place(folder, store / name)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return Entry(store / name, manifest)


def _contents(path: Path) -> Iterator[tuple[str, bytes]]:
    """The files of an archive with their names, each when it is asked for and its hash was checked;
    the manifest first, the list of hashes left out."""
    needed = {FILENAME: MOST_MANIFEST, _SUMS: _MOST_SUMS}
    needed |= dict.fromkeys(file_names(), MOST_NETWORK)
    most = needed | {f"{network}.{INT8}": MOST_NETWORK for network in NETWORKS}
    try:
        with open_file(path) as opened:
            _check_listing(opened, path)
            with zipfile.ZipFile(opened) as archive:
                found = {info.filename: info for info in archive.infolist()}
                if not needed.keys() <= found.keys() <= most.keys() or len(
                    archive.infolist()
                ) != len(found):
                    raise BadArchive(
                        f"{path} is no archive of a model: it has {_shown(list(found))}; "
                        f"expected {', '.join(needed)}"
                    )
                for info in found.values():
                    _check_file(info, most[info.filename], path)
                sums = unpack(archive, found.pop(_SUMS)).splitlines()
                for file in (FILENAME, *(found.keys() - {FILENAME})):
                    yield file, _checked(unpack(archive, found[file]), file, sums, path)
    except (BadArchive, HashMismatch):
        raise
    except OSError as error:
        raise BadArchive(f"{path}: {error.strerror or error}") from None
    except Exception as error:
        # zipfile's, zlib's and others', which have no common class.
        raise BadArchive(f"{path} cannot be unpacked: {reason(error)}") from None


def _checked(contents: bytes, file: str, sums: list[bytes], path: Path) -> bytes:
    """Raises HashMismatch."""
    if f"{sha256(contents)}  {file}".encode() not in sums:
        raise HashMismatch(
            f"{path}: {file} is not the one that {_SUMS} was written for: the archive was "
            "changed or damaged"
        )
    return contents


def _check_listing(file: IO[bytes], path: Path) -> None:
    """Raise BadArchive unless what `zipfile` will read of the listing is as short as it must be."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - _END.size - _LONG_SIZE))
    end = file.read()
    last = end[-_END.size :]
    if len(last) < _END.size or not last.startswith(_END_MARK):
        raise BadArchive(f"{path} is no archive of a model: it does not end as a zip file")
    _, _, _, _, _, listing, _, comment = _END.unpack(last)
    if end.startswith(_LONG_MARK) or listing > _MOST_LISTING or comment:
        raise BadArchive(f"{path} is no archive of a model: its listing is too long")


def _check_file(info: zipfile.ZipInfo, most: int, path: Path) -> None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise BadArchive(f"{path}: {info.filename} is a link, or no file")
    if info.flag_bits & 1 or info.compress_type not in _PACKED:
        raise BadArchive(f"{path}: {info.filename} is packed otherwise than by deflate")
    if info.file_size > most:
        raise BadArchive(
            f"{path}: {info.filename} has {info.file_size:,} bytes; at most {most:,} are read"
        )
    if info.file_size > max(_MOST_SUMS, _MOST_RATIO * info.compress_size):
        raise BadArchive(
            f"{path}: {info.filename} has {info.file_size:,} bytes, packed into "
            f"{info.compress_size:,}: no network is as empty"
        )


def _called(manifest: bytes, path: Path) -> str:
    """The name in an archive's manifest."""
    name = parse(manifest, path / FILENAME).get("name")
    if not is_text(name):
        raise BadArchive(f"{path}: its manifest has no name; give one")
    return str(name)


def _shown(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names[:8]) + (", …" if names[8:] else "") or "no files"
