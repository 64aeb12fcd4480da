"""One who may use the gateway: a name, a hashed key, a quota.

A key is ``NAME.SECRET``, 256 random bits in the second part; only its SHA-256 is kept. A slow hash
is for passwords that people think up; nobody finds 256 bits by trying.
"""

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil

from tilefleet import values
from tilefleet.errors import BadKeyFile

#: Names are part of keys, of quotas' names in the store, and of metrics.
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
#: Captchas a second, and captchas at once, with which the store can reckon.
_SLOWEST, _MOST = 1e-6, 1e9
_SHA256 = re.compile(r"[0-9a-f]{64}")


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
        return cls(name, digest(text), rate, burst, created, model), text


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


def digest(text: str) -> str:
    """The SHA-256 of a key as it is sent, hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
