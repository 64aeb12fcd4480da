"""What was measured on this machine, in the user's cache folder: not each process does it again."""

import hashlib
import json
import os
import platform
from pathlib import Path
from typing import Any, Final

from tilefleet.files import atomic_write

_CPU: Final = Path("/proc/cpuinfo")
#: What says what a processor is, of the lines of the file above.
_TELLING: Final = ("model name", "flags", "Features")


def processor() -> str:
    """What tells this kind of processor from others."""
    try:
        lines = _CPU.read_text(errors="replace").splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    telling = sorted({line for line in lines if line.startswith(_TELLING)})
    return hashlib.sha256("\n".join(telling).encode()).hexdigest()


def read(what: str) -> dict[str, Any]:
    """All that is kept of that kind; nothing if its file is missing or damaged."""
    try:
        known = json.loads(_cache(what).read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def write(what: str, known: dict[str, Any]) -> None:
    """A worker may have no place to write: then it measures at each start."""
    cache = _cache(what)
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(cache, text=True) as file:
            json.dump(known, file)
    except OSError:
        pass


def _cache(what: str) -> Path:
    """In the XDG cache folder of the user."""
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches) / "tilefleet" / f"{what}.json"
