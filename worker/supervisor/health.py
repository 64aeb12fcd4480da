"""The workers' signs of life, each in a folder of its own, and one for all in `TILEFLEET_HEALTH`.

All of them are ready when each takes captchas for the first time; from then on, as long as one
does: others may be on their way back. They live as long as the supervisor sees to them.
"""

import logging
import os
from contextlib import suppress
from pathlib import Path
from time import time
from typing import Final

from tilefleet import health
from tilefleet.errors import SettingError

logger = logging.getLogger(__name__)

#: Seconds of silence after which a worker that was ready hangs.
HANGS_S: Final = 4 * health.STALE_S


class Signs:
    """What one worker shows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def is_ready(self, pid: int) -> bool:
        """Whether the process of that id takes captchas, and not one before it."""
        try:
            _, found, *_ = (self.folder / health.READY).read_text().split(" ")
        except (OSError, ValueError):
            return False
        return found == str(pid)

    def silent_s(self) -> float:
        """Seconds since its heart last beat; 0 while it has not begun to."""
        with suppress(OSError):
            return time() - (self.folder / health.HEARTBEAT).stat().st_mtime
        return 0.0


class Shown:
    """The files for all workers together."""

    def __init__(self, folder: str, name: str, wanted: int) -> None:
        """`folder`: none, and nothing is shown. Raises SettingError where it is not writable."""
        self._folder = Path(folder) if folder else None
        self._name, self._wanted = name, wanted
        self._complete = False
        self._shown = 0
        self._trouble = ""
        try:
            if self._folder is not None:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._show(0)
                self._beat()
        except OSError as error:
            raise SettingError(f"TILEFLEET_HEALTH={folder!r} is not usable: {error}") from None

    def update(self, ready: int) -> None:
        """So many workers take captchas now; told once a second."""
        self._complete = self._complete or ready == self._wanted
        trouble = ""
        try:
            if self._complete and ready != self._shown:
                self._show(ready)
            self._beat()
        except OSError as error:
            trouble = f"That these workers live cannot be shown: {error}"
        if trouble and trouble != self._trouble:
            logger.error("%s", trouble)
        self._trouble = trouble

    def leave(self) -> None:
        """They take no more."""
        with suppress(OSError):
            self._show(0)

    def close(self) -> None:
        """They have ended."""
        self.leave()
        if self._folder is not None:
            with suppress(OSError):
                (self._folder / health.HEARTBEAT).unlink(missing_ok=True)

    def _show(self, ready: int) -> None:
        if self._folder is None:
            return
        sign = self._folder / health.READY
        if ready:
            sign.write_text(f"{self._name} {os.getpid()} {ready} of {self._wanted} workers\n")
        else:
            sign.unlink(missing_ok=True)
        self._shown = ready

    def _beat(self) -> None:
        if self._folder is not None:
            (self._folder / health.HEARTBEAT).write_text(f"{os.getpid()}\n")
