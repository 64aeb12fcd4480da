"""What the state in a folder was begun with: noted in a file of it, and compared later."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tilefleet.errors import ModelError, TilefleetError
from tilefleet.files import atomic_write


def claim(
    note: Path, now: Mapping[str, Any], *, advice: str, error: type[TilefleetError] = ModelError
) -> bool:
    """`check`, and where there is no note yet, write it. Raises OSError, too."""
    if check(note, now, advice=advice, error=error):
        return True
    with atomic_write(note, text=True) as file:
        file.write(json.dumps(now, ensure_ascii=False, indent=2) + "\n")
    return False


def check(
    note: Path, now: Mapping[str, Any], *, advice: str, error: type[TilefleetError] = ModelError
) -> bool:
    """Whether there is a note, and so something to go on with.

    `now`: name → value, as JSON has them. Raises `error` with all that differs, and the `advice`;
    also where the note cannot be read.
    """
    if not note.is_file():
        return False
    try:
        begun = dict(json.loads(note.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as unreadable:
        raise error(f"{note} cannot be read: {unreadable}; remove {note.parent}") from None
    differs = [
        f"{name} {_shown(begun.get(name))} and not {_shown(now.get(name))}"
        for name in {**begun, **now}
        if begun.get(name) != now.get(name)
    ]
    if differs:
        raise error(f"the state in {note.parent} was begun with {'; '.join(differs)}: {advice}")
    return True


def _shown(value: Any) -> str:
    return "-" if value is None else str(value)
