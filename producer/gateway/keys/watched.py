"""The keys of a file that may change at any time, as a gateway that runs knows them."""

import hmac
import logging
from pathlib import Path

from producer.gateway.keys.file import read
from producer.gateway.keys.key import Key, digest
from tilefleet.errors import BadKeyFile

logger = logging.getLogger(__name__)

#: The hash that is compared for an unknown name: the answer takes as long as for a known one.
_NOBODY = "0" * 64


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
        right = hmac.compare_digest(digest(text), key.sha256 if key else _NOBODY)
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


def _signature(path: Path) -> tuple[int, ...] | None:
    """Differs when the file has been written or replaced; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
