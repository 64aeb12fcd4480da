"""Keys, as they are pressed: for commands that fill the screen."""

import os
import select
import sys
import termios
import tty
from contextlib import AbstractContextManager
from time import sleep
from typing import Final

#: What terminals send for keys that are no character.
_NAMES: Final = {
    "\x1b[A": "up",
    "\x1bOA": "up",
    "\x1b[B": "down",
    "\x1bOB": "down",
    "\x1b": "escape",
    "\r": "enter",
    "\n": "enter",
    "\x7f": "escape",
}


class Keyboard(AbstractContextManager["Keyboard"]):
    """The terminal's, without waiting for Enter; nothing is pressed where there is none."""

    def __init__(self) -> None:
        #: What was typed and not asked for yet.
        self._typed = ""
        self._file = sys.stdin.fileno() if sys.stdin.isatty() else None

    def __enter__(self) -> "Keyboard":
        if self._file is not None:
            self._before = termios.tcgetattr(self._file)
            tty.setcbreak(self._file)
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            termios.tcsetattr(self._file, termios.TCSADRAIN, self._before)

    def wait(self, seconds: float) -> str:
        """The key that is pressed within that time; empty: none was."""
        if self._file is None:
            sleep(seconds)
            return ""
        if not self._typed and select.select([self._file], [], [], seconds)[0]:
            self._typed = os.read(self._file, 64).decode(errors="replace")
        key, self._typed = _first(self._typed)
        return key


def _first(typed: str) -> tuple[str, str]:
    """The first key of what was typed, and the rest."""
    for sequence in sorted(_NAMES, key=len, reverse=True):
        if typed.startswith(sequence) and not (sequence == "\x1b" and typed[1:2] in ("[", "O")):
            return _NAMES[sequence], typed[len(sequence) :]
    # A key that has no name here sends a sequence too.
    return ("", "") if typed.startswith("\x1b") else (typed[:1], typed[1:])
