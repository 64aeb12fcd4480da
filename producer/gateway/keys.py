"""Who may use the gateway: a file of names, hashed keys and quotas.

A key is ``NAME.SECRET``, 256 random bits in the second part; the file holds its SHA-256 only. A
slow hash is for passwords that people think up; nobody finds 256 bits by trying.

::

    {"keys": [{"name": "alice", "sha256": "9f86…", "rate": 20.0, "burst": 40,
               "created": "2026-11-23T18:30:00+00:00"}]}

`rate` is in captchas a second, `burst` in captchas; a key without them has no quota. One that has a
`model`, by its name, is read for by that model only.
"""

import fcntl
import grp
import hashlib
import hmac
import json
import logging
import os
import pwd
import re
import secrets
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from typing import Any

from tilefleet import values
from tilefleet.errors import BadKeyFile
from tilefleet.files import atomic_write

logger = logging.getLogger(__name__)

#: Names are part of keys, of quotas' names in the store, and of metrics.
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
#: Captchas a second, and captchas at once, with which the store can reckon.
_SLOWEST, _MOST = 1e-6, 1e9
#: Bytes of a file: some ten thousand keys.
_MOST_BYTES = 4 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")
#: Who runs the gateway, by deploy/systemd: its group reads a file that root makes.
_GROUP = "tilefleet"
#: The hash that is compared for an unknown name: the answer takes as long as for a known one.
_NOBODY = "0" * 64


@dataclass(frozen=True, slots=True)
class Key:
    """One who may send captchas."""

    name: str
    #: Of the whole key, hexadecimal.
    sha256: str
    #: Captchas a second in the long run; None: no quota.
    rate: float | None = None
    #: Captchas at once.
    burst: int | None = None
    created: str = ""
    #: The name of the only model that it may use; None: any.
    model: str | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise BadKeyFile(
                f"a key's name is 1 to 40 of a-z, 0-9, _ and -, not in front; not {self.name!r}"
            )
        if not _SHA256.fullmatch(self.sha256):
            raise BadKeyFile(f"{self.name}: sha256 is 64 hexadecimal digits")
        if (self.rate is None) != (self.burst is None):
            raise BadKeyFile(f"{self.name}: rate={self.rate} and burst={self.burst}: both or none")
        if self.rate is not None and not _SLOWEST <= self.rate <= _MOST:
            raise BadKeyFile(
                f"{self.name}: rate={self.rate:g}: captchas a second, {_SLOWEST:g} to {_MOST:g}"
            )
        if self.burst is not None and not 1 <= self.burst <= _MOST:
            raise BadKeyFile(f"{self.name}: burst={self.burst}: captchas, 1 to {_MOST:g}")
        if not self.created.isprintable():
            raise BadKeyFile(f"{self.name}: created={self.created[:40]!r}: a time is wanted")
        if self.model is not None:
            try:
                values.name(self.model)
            except ValueError as error:
                raise BadKeyFile(f"{self.name}: model={self.model!r}: {error}") from None

    @classmethod
    def make(
        cls,
        name: str,
        rate: float | None = None,
        burst: int | None = None,
        model: str | None = None,
    ) -> tuple["Key", str]:
        """A new one, and what its owner has to send; that is kept nowhere."""
        if rate is not None and burst is None:
            burst = max(1, ceil(2 * rate))
        text = f"{name}.{secrets.token_urlsafe(32)}"
        created = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(name, _hash(text), rate, burst, created, model), text


class KeyFile:
    """The keys of a file that may change at any time.

    What it says now holds for the next request. A file that was good once and is broken or gone now
    changes nothing but the log: the keys that were good stay.
    """

    def __init__(self, path: Path) -> None:
        """Raises BadKeyFile."""
        self.path = path
        self._keys = {key.name: key for key in read(path)}
        self._seen = _signature(path)

    def find(self, text: str) -> Key | None:
        """Whose key this is, by a comparison whose time says nothing; None for nobody's."""
        self._refresh()
        key = self._keys.get(text.partition(".")[0])
        right = hmac.compare_digest(_hash(text), key.sha256 if key else _NOBODY)
        return key if right else None

    def __len__(self) -> int:
        return len(self._keys)

    def _refresh(self) -> None:
        # Each time: it takes a microsecond, and who was removed is out at once.
        signature = _signature(self.path)
        if signature == self._seen:
            return
        self._seen = signature
        try:
            self._keys = {key.name: key for key in read(self.path)}
        except BadKeyFile as error:
            logger.error("%s; the %d keys from before stay", error, len(self._keys))
        else:
            logger.info("%s: %d keys", self.path, len(self._keys))


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
            _write(path, list(keys.values()))
    except OSError as error:
        raise BadKeyFile(f"{path} cannot be changed: {error}") from None


def _write(path: Path, keys: list[Key]) -> None:
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


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _signature(path: Path) -> tuple[int, ...] | None:
    """Differs when the file has been written or replaced; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def sent(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """What was sent as a key; the header for it goes before X-API-Key."""
    plain = b""
    for name, value in headers:
        if name == b"authorization":
            scheme, _, rest = value.partition(b" ")
            if scheme.lower() == b"bearer" and rest.strip():
                plain = rest
                break
        elif name == b"x-api-key":
            plain = value
    return str(plain.strip(), "latin-1")
