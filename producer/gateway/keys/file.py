"""A file of keys: names, hashed keys and quotas.

::

    {"keys": [{"name": "alice", "sha256": "9f86…", "rate": 20.0, "burst": 40,
               "created": "2026-11-23T18:30:00+00:00"}]}

`rate` is in captchas a second, `burst` in captchas; a key without them has no quota. One that has a
`model`, by its name, is read for by that model only.
"""

import fcntl
import grp
import json
import os
import pwd
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from producer.gateway.keys.key import Key
from tilefleet.errors import BadKeyFile
from tilefleet.files import atomic_write

#: Bytes of a file: some ten thousand keys.
_MOST_BYTES = 4 << 20
#: Who runs the gateway, by deploy/systemd: its group reads a file that root makes.
_GROUP = "tilefleet"


def read(path: Path) -> list[Key]:
    """The keys in a file; raises BadKeyFile."""
    try:
        text = _text(path)
    except (OSError, ValueError) as error:
        raise BadKeyFile(
            f"the file of keys {path} cannot be read: {error}; make one with: tilefleet keys add"
        ) from None
    return _parse(path, text)


def _text(path: Path) -> str:
    # A gateway reads it between its requests: a pipe in its place must not keep it.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("it is no regular file")
        contents = file.read(_MOST_BYTES + 1)
    if len(contents) > _MOST_BYTES:
        raise ValueError(f"it has more than {_MOST_BYTES:,} bytes")
    return contents.decode()


@contextmanager
def changing(path: Path) -> Iterator[dict[str, Key]]:
    """The keys by name; what they are at the end of the block is written, all or nothing.

    One at a time; who may read a file that is there stays as it is, and one made anew is its
    owner's alone, or that of whoever runs the gateway (`_share`). Raises BadKeyFile.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_name(f".{path.name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            keys = {key.name: key for key in read(path)} if path.exists() else {}
            yield keys
            write(path, list(keys.values()))
    except OSError as error:
        raise BadKeyFile(f"{path} cannot be changed: {error}") from None


def write(path: Path, keys: list[Key]) -> None:
    """All or nothing."""
    rows = [{k: v for k, v in asdict(key).items() if v is not None} for key in keys]
    with atomic_write(path, text=True, private=True) as file:
        file.write(json.dumps({"keys": rows}, indent=1) + "\n")
        if os.geteuid() == 0 and not path.exists():
            _share(file.fileno(), path.parent.stat())


def _share(file: int, folder: os.stat_result) -> None:
    """A new file of root's: for those that its folder is for, else for the gateway's group."""
    group = folder.st_gid
    if not (folder.st_uid or group):
        with suppress(KeyError):
            group = grp.getgrnam(_GROUP).gr_gid
    os.fchown(file, folder.st_uid, group)
    # Whose folder nobody else may enter has a file that nobody else may read.
    shared = group != 0 and bool(folder.st_mode & stat.S_IXGRP)
    os.fchmod(file, 0o640 if shared else 0o600)


def readers(path: Path) -> str:
    """Who may read the file, in words."""
    found = path.stat()
    who = [_name(pwd.getpwuid, found.st_uid)]
    if found.st_mode & stat.S_IRGRP:
        who.append(f"the group {_name(grp.getgrgid, found.st_gid)}")
    return " and ".join(who)


def _name(find: Callable[[int], Any], number: int) -> str:
    try:
        return str(find(number)[0])
    except KeyError:
        return str(number)


def _parse(path: Path, text: str) -> list[Key]:
    try:
        rows = json.loads(text)["keys"]
        if not isinstance(rows, list):
            raise TypeError(f"keys are a list, not {type(rows).__name__}")
        keys = [_key(row) for row in rows]
    except BadKeyFile as error:
        raise BadKeyFile(f"{path}: {str(error)[:300]}") from None
    except (ValueError, LookupError, TypeError, OverflowError, RecursionError) as error:
        raise BadKeyFile(
            f"{path}, {len(text)} characters, is no file of keys: "
            f'{type(error).__name__}: {str(error)[:300]}; {{"keys": [ … ]}} is wanted'
        ) from None
    twice = [name for name, count in Counter(key.name for key in keys).items() if count > 1]
    if twice:
        raise BadKeyFile(f"{path}: more than one key is called {', '.join(sorted(twice))}")
    return keys


def _key(row: Any) -> Key:
    if not isinstance(row, dict):
        raise TypeError(f"a key is an object, not {type(row).__name__}")
    unknown = row.keys() - Key.__dataclass_fields__.keys()
    if unknown:
        raise BadKeyFile(f"{row.get('name')}: no such thing as {', '.join(sorted(unknown))[:200]}")
    rate, burst = row.get("rate"), row.get("burst")
    if isinstance(rate, bool) or isinstance(burst, bool):
        raise TypeError("a rate and a burst are numbers, not bool")
    return Key(
        name=str(row["name"]),
        sha256=str(row["sha256"]),
        rate=None if rate is None else float(rate),
        burst=None if burst is None else int(burst),
        created=str(row.get("created", "")),
        model=None if row.get("model") is None else str(row["model"]),
    )
