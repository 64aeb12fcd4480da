"""A picture inside a terminal that can show one: ``tilefleet solve --show``.

By kitty's protocol (kitty, Ghostty, Konsole; https://sw.kovidgoyal.net/kitty/graphics-protocol) or
iTerm2's (iTerm2, WezTerm, VS Code, mintty; https://iterm2.com/documentation-images.html), which
take a PNG as it is; else as sixels, where the terminal says that it shows them.
"""

from base64 import standard_b64encode
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from producer.reading import attributes

#: Bytes of base64 in one escape sequence, at most.
_CHUNK: Final = 4096
#: Columns that a picture takes.
_COLUMNS: Final = 62

_ITERM: Final = frozenset({"iTerm.app", "WezTerm", "vscode", "mintty"})


def shower(environ: Mapping[str, str]) -> Callable[[bytes], str] | None:
    """What makes the text that shows a PNG in the terminal of this process; None: it shows none."""
    if (known := by_name(environ)) is not None:
        return known
    found = attributes.ask(environ.get("TERM", ""))
    if found is None:
        return None
    from producer.reading import sixel

    return partial(sixel.encode, width=_COLUMNS * found.cell, colours=found.colours)


def by_name(environ: Mapping[str, str]) -> Callable[[bytes], str] | None:
    """The same for a terminal that the environment tells of.

    None: nobody knows; tmux and screen pass no PNG on.
    """
    if environ.get("TMUX") or environ.get("TERM", "").startswith(("screen", "tmux")):
        return None
    if (
        environ.get("TERM") in ("xterm-kitty", "xterm-ghostty")
        or "KITTY_WINDOW_ID" in environ
        or "KONSOLE_VERSION" in environ
    ):
        return kitty
    if environ.get("TERM_PROGRAM", environ.get("LC_TERMINAL", "")) in _ITERM:
        return iterm
    return iterm if environ.get("LC_TERMINAL") == "iTerm2" else None


def kitty(png: bytes) -> str:
    """Shown where the cursor is, by kitty's protocol."""
    text = standard_b64encode(png).decode()
    chunks = [text[at : at + _CHUNK] for at in range(0, len(text), _CHUNK)]
    parts = []
    for number, chunk in enumerate(chunks):
        # f: PNG; a: shown at once; q: no reply; c: columns; m: more follows.
        first = f"f=100,a=T,q=2,c={_COLUMNS}," if number == 0 else ""
        parts.append(f"\x1b_G{first}m={int(number < len(chunks) - 1)};{chunk}\x1b\\")
    return "".join(parts)


def iterm(png: bytes) -> str:
    """The same by iTerm2's."""
    text = standard_b64encode(png).decode()
    return f"\x1b]1337;File=inline=1;size={len(png)};width={_COLUMNS}:{text}\a"
