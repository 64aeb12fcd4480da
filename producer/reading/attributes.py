"""What the terminal says that it can show, asked over its own line.

Practically every terminal answers DA1, ``CSI c``, with a list of numbers, of which 4 is sixel
graphics (https://vt100.net/docs/vt510-rm/DA1.html). One that has them is asked how many colours it
has (XTSMGRAPHICS, https://invisible-island.net/xterm/ctlseqs/ctlseqs.html), with DA1 behind it, so
that there is an answer to wait for where that is not known.
"""

import fcntl
import os
import re
import select
import struct
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Final

#: What a terminal is asked, and how it answers.
_DA1: Final = b"\x1b[c"
_ATTRIBUTES: Final = re.compile(rb"\x1b\[\?([0-9;]*)c")
_HOW_MANY: Final = b"\x1b[?1;1;0S"
_COLOURS: Final = re.compile(rb"\x1b\[\?1;0;([0-9]+)S")
_SIXEL: Final = b"4"
#: Seconds for an answer: one over a slow line has come by then.
_WAIT_S: Final = 1.0
#: Pixels of a character's width, where the system does not know it.
_CELL: Final = 10


@dataclass(frozen=True, slots=True)
class Sixels:
    """A terminal that shows sixel graphics."""

    #: 2 to 256.
    colours: int
    #: Of a character, pixels.
    cell: int


def ask(term: str) -> Sixels | None:
    """What the terminal of this process says; `term`: its name, from the environment.

    None: no sixels, no terminal, no answer within a second, or none that may be asked, as another
    program has it. It is as before afterwards, also after Ctrl-C.
    """
    if term in ("", "dumb"):
        return None
    try:
        line = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        # Whoever is in the background would be stopped by the first change.
        if os.tcgetpgrp(line) != os.getpgrp():
            return None
        with _without_echo(line):
            return _asked(line)
    except (OSError, termios.error):
        return None
    finally:
        os.close(line)


def _asked(line: int) -> Sixels | None:
    found = _ATTRIBUTES.search(_reply(line, _DA1))
    if found is None or _SIXEL not in found[1].split(b";"):
        return None
    told = _COLOURS.search(_reply(line, _HOW_MANY + _DA1))
    colours = int(told[1]) if told else 256
    _, columns, width, _ = struct.unpack("4H", fcntl.ioctl(line, termios.TIOCGWINSZ, bytes(8)))
    cell = width // columns if width and columns else _CELL
    return Sixels(min(max(colours, 2), 256), max(cell, 1))


@contextmanager
def _without_echo(line: int) -> Iterator[None]:
    """Nothing that comes is shown, and it comes without Enter."""
    before = termios.tcgetattr(line)
    try:
        tty.setcbreak(line, termios.TCSADRAIN)
        yield
    finally:
        termios.tcsetattr(line, termios.TCSADRAIN, before)


def _reply(line: int, question: bytes) -> bytes:
    """What comes up to its attributes; less where these do not come in time."""
    os.write(line, question)
    ends, came = monotonic() + _WAIT_S, b""
    while not _ATTRIBUTES.search(came):
        left_s = ends - monotonic()
        if left_s <= 0 or not select.select([line], [], [], left_s)[0]:
            break
        came += os.read(line, 256)
    return came
